#include "relay/session.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <cstdint>
#include <limits>

#include "faults.hpp"

namespace relay {
namespace {

using namespace std::chrono_literals;
constexpr std::size_t max_batches_in_flight = 8;  // of a mebibyte at most
constexpr auto record_every = 250ms;  // inside a long window: what a crash repeats at most
constexpr auto doze = 25ms;
constexpr auto trouble_after = 2s;

}  // namespace

Session::Session(const Settings& settings, Status& status, const std::stop_token& stop,
                 const WakeUp& wake_up, Caution& caution)
    : settings_{settings},
      status_{status},
      stop_{stop},
      wake_up_{wake_up},
      caution_{caution},
      connection_{settings.dsn, "postroom relay"},
      log_{connection_, settings.shard},
      source_{make_source(settings_, connection_)},
      taken_{log_.acquire(settings.holder, settings.lease)},
      progress_{log_, status},
      doorbell_{connection_, taken_ && taken_->shards > 1},
      dead_letters_{connection_, settings.shard},
      requests_{connection_, settings.shard} {
    if (settings_.kafka.source.empty()) settings_.kafka.source = source_of(connection_.database());
}

Session::~Session() {
    if (!lease_) return;
    lease_.reset();
    housekeeping_.reset();
    errands_.reset();
    publisher_.reset();  // nothing of ours may leave once another may have the lease
    try {
        log_.release(progress_.at().epoch);
    } catch (const std::exception& error) {
        spdlog::debug("the lease was not given back and runs out by itself: {}", error.what());
    }
}

bool Session::run() {
    if (!taken_) return false;
    progress_.begin(std::move(*taken_));
    source_->recorded(progress_.at());
    lease_ = std::make_unique<Lease>(settings_, progress_.at().epoch, [this] { wake_up_.ring(); });
    housekeeping_ = std::make_unique<Housekeeping>(settings_, status_);
    const auto& position = progress_.at();
    spdlog::info("publishing shard {} of {} under epoch {}, {} events published so far",
                 position.shard, position.shards, position.epoch, position.published);
    status_.lease_epoch.Set(static_cast<double>(position.epoch));
    status_.set(State::leading);
    last_event_ = Clock::now();
    make_publisher();
    errands_.emplace(settings_, stop_, connection_, dead_letters_, status_, [this] { check(); });
    return publish_all();
}

void Session::make_publisher() {
    std::optional<Transactional> transactional;
    if (settings_.exactly_once)
        transactional = {.id = "postroom-" + log_.scope() +
                               (faults::mutant("own_transactional_id") ? settings_.holder : ""),
                         .position_topic = settings_.position_topic_prefix + log_.scope(),
                         // One by one, a batch takes its time.
                         .timeout = caution_.suspect ? 300s : 10s};
    publisher_.emplace(settings_, status_, dead_letters_, caution_,
                       Publisher::Hooks{.check = [this] { check(); },
                                        .delivered =
                                            [this](std::size_t events, std::int64_t last_place) {
                                                status_.set_trouble({});
                                                progress_.delivered(events, last_place);
                                            }},
                       std::move(transactional));
    if (publisher_->committed() && !faults::mutant("position_in_database_only"))
        progress_.catch_up(*publisher_->committed());
}

bool Session::publish_all() {
    wake();
    while (!stop_.stop_requested()) {
        check();
        if (!attend()) continue;
        if (progress_.at().upper) {
            publish_in_chunks();  // what a predecessor, or a pause, has left of a window
            continue;
        }
        auto poll = source_->poll(progress_.at(), settings_.window_rows);
        if (poll.resharding && !(faults::mutant("late_barrier") && poll.rows > 0)) {
            if (!meet(poll.upper.floor)) return false;
            continue;
        }
        if (poll.complete && poll.rows == 0) {
            progress_.follow(poll);
            settle();
            if (settings_.stop_when_drained && poll.drained && !errands_->due(requests_.look()))
                return true;
            rest(poll);
            continue;
        }
        last_event_ = Clock::now();
        wake();
        publish_window(std::move(poll));
        const auto pause = pace_.after(window_events_, last_event_);
        if (pause > 0ms) static_cast<void>(doorbell_.wait(pause, wake_up_.fd()));
    }
    if (!faults::mutant("no_flush")) settle();
    return false;
}

// Publishes up to exactly where the shards meet whose number is to change, and waits there; false
// once that is over, and with it this session. Nothing of a window that a poll like this one would
// open has been published by any shard: whatever has lies before the barrier.
bool Session::meet(std::int64_t valid_floor) {
    const auto barrier = log_.barrier(valid_floor);
    if (!barrier) return true;
    if (faults::mutant("reshard_without_barrier")) {
        progress_.skip_to(*barrier);
    } else if (progress_.at().lower.snapshot != barrier->snapshot) {
        progress_.open_window(*barrier);
        record(PositionLog::Durability::flushed);
        publish_in_chunks();
        if (progress_.at().upper) return true;  // told to stop, or to pause
    }
    settle();
    while (log_.arrive(progress_.at())) {
        if (stop_.stop_requested()) return true;
        check();
        if (requests_.look().paused) stand_still();
        static_cast<void>(doorbell_.wait(doze, wake_up_.fd()));
    }
    return false;
}

void Session::wake() {
    doorbell_.wake();
    status_.awake.Set(1);
}

void Session::publish_window(Poll poll) {
    const auto began = Clock::now();
    progress_.open_window(poll.upper, faults::mutant("advance_at_read")
                                          ? std::numeric_limits<std::int64_t>::max()
                                          : 0);
    record(poll.on_disk || faults::mutant("unflushed_window") ? PositionLog::Durability::eventual
                                                              : PositionLog::Durability::flushed);
    faults::crash_point("after_read");
    if (poll.complete) {
        window_events_ = poll.rows;
        for (auto& batch : poll.batches) publish(std::move(batch));
        if (faults::mutant("no_flush") && stop_.stop_requested()) return;
        publisher_->await(0);
        faults::crash_point("after_ack");
        close_window(std::move(poll.upper));
    } else {
        publish_in_chunks();
        if (progress_.at().upper) return;
    }
    status_.windows.Increment();
    status_.window_events.Observe(static_cast<double>(window_events_));
    status_.publish_seconds.Observe(std::chrono::duration<double>(Clock::now() - began).count());
}

void Session::publish_in_chunks() {
    window_events_ = 0;
    const Walk steps{.take =
                         [this](std::unique_ptr<Batch> batch) {
                             window_events_ += batch->rows.size();
                             publish(std::move(batch));
                             publisher_->await(max_batches_in_flight - 1);
                             if (!progress_.settled() && progress_.since_recorded() > record_every)
                                 record(PositionLog::Durability::eventual);
                             return !stop_.stop_requested() && !requests_.look().paused;
                         },
                     .wait =
                         [this] {
                             // Not for the socket: each packet would wake us. What Kafka
                             // acknowledges wakes us as well.
                             publisher_->serve(1ms);
                             return !stop_.stop_requested();
                         }};
    auto reached = source_->walk(progress_.at(), steps);
    if (faults::mutant("no_flush") && !reached) return;
    publisher_->await(0);
    faults::crash_point("after_ack");
    if (reached) {
        close_window(std::move(*reached));
    } else {
        settle();
    }
}

void Session::publish(std::unique_ptr<Batch> batch) {
    check();
    const auto last_place = batch->last_place();
    if (errands_->note(*batch, progress_.at().epoch)) requests_.expire();
    publisher_->publish(std::move(batch));
    if (faults::mutant("sent_on_enqueue")) {
        progress_.delivered(0, last_place);
        record(PositionLog::Durability::flushed);
    }
    faults::crash_point("after_produce");
}

void Session::check() {
    status_.beat();
    if (lease_->lost())
        throw Fenced{"the lease of shard " + std::to_string(settings_.shard) + " is lost"};
    // Without a publisher yet, Kafka is being asked for the last position of exactly_once.
    const auto stalled =
        publisher_ ? publisher_->stalled() : std::optional{progress_.since_recorded()};
    if (!stalled) return;
    if (*stalled > trouble_after) status_.set_trouble("Kafka acknowledges nothing");
    if (stop_.stop_requested() && !stopping_since_) stopping_since_ = Clock::now();
    if (stopping_since_ && Clock::now() - *stopping_since_ > settings_.stop)
        throw ProducerFailed{"Kafka did not acknowledge what was queued in time for the stop"};
    if (*stalled > settings_.stall)
        throw ProducerFailed{"Kafka has acknowledged nothing for too long"};
}

void Session::close_window(Edge reached) {
    progress_.close_window(std::move(reached));
    if (settings_.exactly_once) settle();  // nobody sees its events before
}

void Session::settle() {
    if (!progress_.settled()) record(PositionLog::Durability::eventual);
}

void Session::record(PositionLog::Durability durability) {
    publisher_->commit([this] { return log_.to_record(progress_.at()); });
    progress_.record(durability);
    source_->recorded(progress_.at());
}

void Session::rest(const Poll& poll) {
    const auto until_errand = [this](std::chrono::milliseconds longest) {
        return std::min(errands_->wait(requests_.look()), longest);
    };
    if (const int news = source_->news(); news >= 0) {
        wake();  // nobody needs to ring
        if (doorbell_.wait(until_errand(record_every), wake_up_.fd(), news)) requests_.expire();
        return;
    }
    if (const auto silence = Clock::now() - last_event_; silence < settings_.idle) {
        wake();
        static_cast<void>(doorbell_.wait(Pace::within(silence, settings_.poll), wake_up_.fd()));
        return;
    }
    if (doorbell_.awake()) {
        doorbell_.release();
        status_.awake.Set(0);
        return;  // and poll once more: this one's snapshot is older than the release
    }
    const std::chrono::milliseconds longest = faults::mutant("no_fallback_poll") ? 1h : sleep;
    const bool may_sleep = doorbell_.quiet(poll.upper.snapshot);
    if (doorbell_.wait(until_errand(may_sleep ? longest : doze), wake_up_.fd())) requests_.expire();
}

}  // namespace relay

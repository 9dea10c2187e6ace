#include "runner.hpp"

#include <algorithm>
#include <exception>
#include <utility>

#include "faults.hpp"

namespace outbox {
namespace {

using namespace std::chrono_literals;
using Kind = Outcome::Kind;
constexpr auto longest_wait = 100ms;  // for a message, so that a stop is noticed
// Each commit is a record that the broker writes, and a wait for it.
constexpr auto commit_every = 100ms;
constexpr auto partitions_every = 1h;

}  // namespace

Consumer::Runner::Runner(ConsumerOptions options) : options_{std::move(options)} {}

void Consumer::Runner::on_batch(const std::vector<std::string>& types, BatchHandler handler) {
    const auto shared = std::make_shared<const BatchHandler>(std::move(handler));
    for (const auto& type : types) {
        if (!handlers_.emplace(type, shared).second)
            throw std::invalid_argument{"a second handler for type " + type};
    }
}

ConsumerCounts Consumer::Runner::counts() const {
    return {counts_[received], counts_[applied],       counts_[duplicates], counts_[ignored],
            counts_[retried],  counts_[dead_lettered], counts_[batches],    counts_[fallbacks]};
}

std::vector<PartitionLag> Consumer::Runner::lag() const {
    const std::scoped_lock lock(shown_mutex_);
    return shown_ != nullptr ? shown_->lag() : std::vector<PartitionLag>{};
}

void Consumer::Runner::show(const KafkaConsumer* kafka) {
    const std::scoped_lock lock(shown_mutex_);
    shown_ = kafka;
}

void Consumer::Runner::run(const std::stop_token& stop) {
    Crew crew{options_, handlers_, database_well_,
              stop};  // outlives kafka, which settles at its end
    crew_ = &crew;
    offsets_.clear();
    waiting_.clear();
    ahead_.clear();
    error_ = nullptr;
    // Partitions that go take their memory with them: what waits is delivered again to their next
    // owner.
    KafkaConsumer kafka{options_, [this, &stop] {
                            while (crew_->has_batch()) finish(stop);
                            commit();
                            offsets_.clear();
                            waiting_.clear();
                            ahead_.clear();
                            ++revocations_;
                        }};
    kafka_ = &kafka;
    show(&kafka);
    const auto hide = [](Runner* self) { self->show(nullptr); };
    const std::unique_ptr<Runner, decltype(hide)> hidden_before_kafka_ends{this, hide};
    Clock::time_point partitions_made{};
    while (!stop.stop_requested()) {
        if (Clock::now() - partitions_made > partitions_every) {
            crew_->idle_worker().make_partitions(stop);
            partitions_made = Clock::now();
        }
        kafka.pause(waiting_.size() >= options_.waiting);
        if (!crew_->has_batch() || (is_ahead() && crew_->has_room())) start();
        ready_ = kafka.is_member();
        commit_when_due();
        read_ahead();
        if (!is_ahead() || !crew_->has_room()) finish(stop);
        if (error_) std::rethrow_exception(error_);
    }
    ready_ = false;
    kafka.close();  // revokes, which commits
    kafka_ = nullptr;
    if (error_) std::rethrow_exception(error_);
}

void Consumer::Runner::start() {
    auto batch = take_batch();
    if (batch.empty()) return;
    if (faults::mutant("offsets_first")) {
        for (const auto& delivery : batch)
            offsets_.finish({delivery.message.topic, delivery.message.partition},
                            delivery.message.offset);
        commit();
    }
    ++counts_[batches];
    crew_->start(std::move(batch));
}

// Heads that are due, and messages: up to a batch, waiting a little for more once there is one.
std::vector<Delivery> Consumer::Runner::take_batch() {
    // Of a lane that is in hand its head alone: the others come after what is in hand.
    auto batch = waiting_.due(Clock::now(), crew_->has_batch() ? 1 : options_.batch);
    auto last_call = Clock::now() + longest_wait;
    if (const auto due = waiting_.next_due()) last_call = std::min(last_call, *due);
    bool lingering = false;
    // Workers that are busy are not kept waiting for what comes next.
    while (batch.size() < options_.batch && (!ahead_.empty() || !crew_->has_batch())) {
        if (!batch.empty() && !lingering) {
            last_call = std::min(last_call, Clock::now() + options_.linger);
            lingering = true;
        }
        const auto wait = std::chrono::ceil<std::chrono::milliseconds>(last_call - Clock::now());
        const auto revocations = revocations_;
        auto delivery = next(std::max(wait, 0ms));
        if (revocations_ != revocations) batch.clear();  // their next owner gets them again
        if (!delivery) break;
        admit(std::move(*delivery), batch);
        if (Clock::now() >= last_call || waiting_.size() >= options_.waiting) break;
    }
    return batch;
}

void Consumer::Runner::admit(Delivery delivery, std::vector<Delivery>& batch) {
    delivery.arrival = ++counts_[received];
    offsets_.begin({delivery.message.topic, delivery.message.partition}, delivery.message.offset);
    if (waiting_.holds(delivery.lane())) {
        waiting_.queue(std::move(delivery));
    } else {
        batch.push_back(std::move(delivery));
    }
}

std::optional<Delivery> Consumer::Runner::next(std::chrono::milliseconds limit) {
    if (ahead_.empty()) return kafka_->poll(limit);
    auto delivery = std::move(ahead_.front());
    ahead_.pop_front();
    return delivery;
}

// Up to a batch, of what is there already, while the workers are at theirs.
void Consumer::Runner::read_ahead() {
    while (crew_->is_busy() && !is_ahead()) {
        auto delivery = kafka_->poll(0ms);
        if (!delivery) return;
        ahead_.push_back(std::move(*delivery));
    }
}

// Awaits the oldest batch, and settles it. May run within librdkafka, through which nothing can be
// thrown: run() does it afterwards.
void Consumer::Runner::finish(const std::stop_token& stop) {
    if (!crew_->has_batch()) return;
    try {
        bool whole = true;
        auto batch = crew_->finish();
        for (auto& share : batch.shares) {
            if (share.fell_back) ++counts_[fallbacks];
            for (std::size_t i = 0; i < share.outcomes.size() && whole; ++i)
                whole = settle(*share.deliveries[i], share.outcomes[i], stop);
        }
        faults::crash_point("after_commit");
        if (after_batch_) after_batch_(crew_->has_batch());
    } catch (...) {
        error_ = std::current_exception();
    }
    if (!commit_due_) commit_due_ = Clock::now() + commit_every;
}

// Finishes a delivery or sets it up for another attempt; false when told to stop meanwhile.
bool Consumer::Runner::settle(Delivery& delivery, const Outcome& outcome,
                              const std::stop_token& stop) {
    if (outcome.kind == Kind::failed) {
        const bool attempted = !outcome.error.empty() && !outcome.blameless;
        if (attempted) ++delivery.attempts;
        if (!attempted || (!outcome.poison && delivery.attempts < options_.attempts)) {
            fail(delivery, outcome);
            return true;
        }
        if (!crew_->idle_worker().bury(delivery, outcome.error, stop)) return false;
        options_.log("event " + delivery.message.id.to_string() + " (" + delivery.message.type +
                     ", key " + delivery.message.key + ") is dead: " + outcome.error +
                     ". Its key waits until it is resolved: see inbox.dead");
    }
    switch (outcome.kind) {
        case Kind::applied:
            ++counts_[applied];
            break;
        case Kind::duplicate:
            ++counts_[duplicates];
            if (on_repeat_ && !faults::mutant("repeats_ignored")) on_repeat_(delivery.message);
            break;
        case Kind::ignored:
            ++counts_[ignored];
            break;
        case Kind::dead:
        case Kind::failed:
            ++counts_[dead_lettered];
            break;
    }
    offsets_.finish({delivery.message.topic, delivery.message.partition}, delivery.message.offset);
    if (delivery.retrying) waiting_.advance(delivery.lane(), Clock::now());
    return true;
}

void Consumer::Runner::fail(Delivery& delivery, const Outcome& outcome) {
    if (outcome.error.empty()) {
        // Not attempted, as one before it in its key has failed in the same batch; that one waits,
        // or is dead by now.
        if (waiting_.holds(delivery.lane())) {
            waiting_.queue(std::move(delivery));
        } else {
            waiting_.retry(std::move(delivery), Clock::now());
        }
        return;
    }
    ++counts_[retried];
    if (outcome.blameless) ++delivery.delays;
    const auto pause =
        backoff(delivery.attempts + delivery.delays, options_.first_backoff, options_.last_backoff,
                std::uniform_real_distribution<double>{0.0, 1.0}(random_));
    options_.log("event " + delivery.message.id.to_string() +
                 (outcome.blameless
                      ? " has to wait, which costs no attempt: "
                      : " failed, attempt " + std::to_string(delivery.attempts) + ": ") +
                 outcome.error);
    waiting_.retry(std::move(delivery), Clock::now() + pause);
}

void Consumer::Runner::commit() {
    commit_due_.reset();
    if (kafka_ != nullptr) kafka_->commit(offsets_.take());
}

void Consumer::Runner::commit_when_due() {
    if (commit_due_ && Clock::now() >= *commit_due_) commit();
}

}  // namespace outbox

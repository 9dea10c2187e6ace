#include "relay/publisher.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

namespace relay {
namespace {

using namespace std::chrono_literals;
constexpr int least_batch_bytes = 10'000;

}  // namespace

Publisher::Publisher(const Settings& settings, Status& status, DeadLetters& dead_letters,
                     Caution& caution, Hooks hooks, std::optional<Transactional> transactional)
    : settings_{settings},
      status_{status},
      dead_letters_{dead_letters},
      caution_{caution},
      hooks_{std::move(hooks)},
      transactional_{std::move(transactional)} {
    make_sink();
}

void Publisher::make_sink() {
    sink_.reset();
    sink_ =
        std::make_unique<KafkaSink>(settings_.kafka,
                                    KafkaSink::Batches{.one_by_one = caution_.suspect.has_value(),
                                                       .bytes = caution_.batch_bytes},
                                    transactional_);
    if (transactional_) committed_ = sink_->recover(hooks_.check);
}

void Publisher::commit(const std::function<std::string()>& position) {
    if (!sink_->in_transaction()) return;
    await(0);
    sink_->commit(position());
    if (overcautious_) {
        overcautious_ = false;
        make_sink();
    }
}

void Publisher::publish(std::unique_ptr<Batch> batch) {
    if (in_flight_.empty()) progress_ = Clock::now();
    batch->undelivered = batch->rows.size();
    Batch& sent = *batch;
    in_flight_.push_back(std::move(batch));
    learning([&] {
        for (Row& row : sent.rows) row.delayed ? set_aside(row) : send(row);
    });
    status_.in_flight.Set(static_cast<double>(sink_->in_flight()));
}

void Publisher::send(Row& row) {
    if (caution_.suspect && row.place > *caution_.suspect) {
        caution_.suspect.reset();
        if (transactional_) {
            overcautious_ = true;  // until the transaction ends
        } else {
            make_sink();  // the rows before this one are all delivered
        }
    }
    const auto& topic = sink_->topic_name(row);
    if (const auto* behind = dead_letters_.blocking(topic, row.aggregate_id)) {
        park(row, "waits behind " + *behind, behind);
        return;
    }
    for (;;) {
        const auto answer = sink_->publish(row);
        if (answer == KafkaSink::Answer::refused) park(row, sink_->refusal(), nullptr);
        if (answer != KafkaSink::Answer::full) break;
        pump(10ms);
    }
    if (caution_.suspect) await_alone(row);
}

// One at a time: a refusal now is this row's own.
void Publisher::await_alone(Row& row) {
    const auto before = row.batch->undelivered;
    try {
        while (sink_->in_flight() > 0 && row.batch->undelivered == before) {
            sink_->serve(10ms);
            hooks_.check();
        }
        progress_ = Clock::now();
    } catch (const ProducerFailed&) {
        sink_->collect();
        if (sink_->refused().empty()) throw;
        progress_ = Clock::now();
        park(row, sink_->refused().front().error, nullptr);
        if (transactional_) throw;  // with it failed the rows before
        make_sink();
    }
}

void Publisher::park(Row& row, const std::string& error, const std::string* behind) {
    dead_letters_.park(row, sink_->topic_name(row), error, behind);
    set_aside(row);
    status_.dead_lettered.Increment();
    if (behind == nullptr) {
        spdlog::error(
            "event {} ({}, key {}) is dead: {}. Its key waits until it is resolved: see "
            "outbox.dead",
            to_string(row.id), row.type, row.aggregate_id, error);
    }
}

void Publisher::set_aside(Row& row) {
    --row.batch->undelivered;
    ++row.batch->aside;
}

void Publisher::await(std::size_t batches_left) {
    learning([&] {
        reap();
        while (in_flight_.size() > batches_left) pump(10ms, batches_left == 0);
    });
}

void Publisher::serve(std::chrono::milliseconds limit) {
    learning([&] { pump(limit); });
}

// Keeps what a failing producer tells, for the next one.
void Publisher::learning(const std::function<void()>& work) {
    try {
        work();
    } catch (const ProducerFailed&) {
        sink_->collect();
        for (const auto& refused : sink_->refused())
            caution_.suspect = std::max(caution_.suspect.value_or(0), refused.row->place);
        if (!sink_->refused().empty())
            caution_.batch_bytes = std::max(caution_.batch_bytes / 4, least_batch_bytes);
        throw;
    }
}

void Publisher::pump(std::chrono::milliseconds limit, bool to_the_end) {
    to_the_end ? sink_->flush(limit) : sink_->serve(limit);
    if (sink_->acknowledged() != acknowledged_) {
        acknowledged_ = sink_->acknowledged();
        progress_ = Clock::now();
    }
    reap();
    hooks_.check();
}

// Takes the batches that are delivered off the front.
void Publisher::reap() {
    std::size_t events = 0;
    std::int64_t last_place = 0;
    while (!in_flight_.empty() && in_flight_.front()->undelivered == 0) {
        events += in_flight_.front()->rows.size() - in_flight_.front()->aside;
        last_place = in_flight_.front()->last_place();
        in_flight_.pop_front();
    }
    if (last_place == 0) return;
    status_.in_flight.Set(static_cast<double>(sink_->in_flight()));
    hooks_.delivered(events, last_place);
}

std::optional<std::chrono::steady_clock::duration> Publisher::stalled() const {
    if (in_flight_.empty()) return std::nullopt;
    return Clock::now() - progress_;
}

}  // namespace relay

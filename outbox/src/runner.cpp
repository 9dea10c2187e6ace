#include "runner.hpp"

#include <algorithm>
#include <exception>
#include <functional>
#include <thread>
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
    workers_.clear();
    for (int i = 0; i < options_.workers; ++i)
        workers_.push_back(std::make_unique<Worker>(options_, handlers_, database_well_));
    offsets_.clear();
    waiting_.clear();
    // Partitions that go take their memory with them: what waits is delivered again to their next
    // owner.
    KafkaConsumer kafka{options_, [this] {
                            commit();
                            offsets_.clear();
                            waiting_.clear();
                            ++revocations_;
                        }};
    kafka_ = &kafka;
    show(&kafka);
    const auto hide = [](Runner* self) { self->show(nullptr); };
    const std::unique_ptr<Runner, decltype(hide)> hidden_before_kafka_ends{this, hide};
    Clock::time_point partitions_made{};
    while (!stop.stop_requested()) {
        if (Clock::now() - partitions_made > partitions_every) {
            workers_[0]->make_partitions(stop);
            partitions_made = Clock::now();
        }
        kafka.pause(waiting_.size() >= options_.waiting);
        commit_when_due();
        auto batch = take_batch();
        ready_ = kafka.is_member();
        if (batch.empty()) continue;
        if (faults::mutant("offsets_first")) {
            for (const auto& delivery : batch)
                offsets_.finish({delivery.message.topic, delivery.message.partition},
                                delivery.message.offset);
            commit();
        }
        ++counts_[batches];
        bool whole = true;
        for (auto& share : apply(batch, stop)) {
            if (share.fell_back) ++counts_[fallbacks];
            for (std::size_t i = 0; i < share.outcomes.size() && whole; ++i)
                whole = settle(*share.deliveries[i], share.outcomes[i], stop);
        }
        faults::crash_point("after_commit");
        if (after_batch_) after_batch_();
        if (!commit_due_) commit_due_ = Clock::now() + commit_every;
    }
    ready_ = false;
    kafka.close();  // revokes, which commits
    kafka_ = nullptr;
    workers_.clear();
}

// Heads that are due, and messages: up to a batch, waiting a little for more once there is one.
std::vector<Delivery> Consumer::Runner::take_batch() {
    auto batch = waiting_.due(Clock::now(), options_.batch);
    auto last_call = Clock::now() + longest_wait;
    if (const auto due = waiting_.next_due()) last_call = std::min(last_call, *due);
    bool lingering = false;
    while (batch.size() < options_.batch) {
        if (!batch.empty() && !lingering) {
            last_call = std::min(last_call, Clock::now() + options_.linger);
            lingering = true;
        }
        const auto wait = std::chrono::ceil<std::chrono::milliseconds>(last_call - Clock::now());
        const auto revocations = revocations_;
        auto delivery = kafka_->poll(std::max(wait, 0ms));
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

// Splits a batch over as many workers as it is worth, a key always to one of them.
std::vector<Consumer::Runner::Share> Consumer::Runner::apply(std::vector<Delivery>& batch,
                                                             const std::stop_token& stop) {
    const auto wanted = (batch.size() + options_.share - 1) / options_.share;
    std::vector<Share> shares(std::min(wanted, workers_.size()));
    for (auto& delivery : batch)
        shares[std::hash<std::string>{}(delivery.lane()) % shares.size()].deliveries.push_back(
            &delivery);
    std::vector<std::exception_ptr> errors(shares.size());
    const auto work = [&](std::size_t i) {
        if (shares[i].deliveries.empty()) return;
        try {
            auto outcomes = workers_[i]->process(shares[i].deliveries, stop, shares[i].fell_back);
            if (outcomes) shares[i].outcomes = std::move(*outcomes);
        } catch (...) {
            errors[i] = std::current_exception();
        }
    };
    {
        std::vector<std::jthread> threads;
        threads.reserve(shares.size());
        for (std::size_t i = 1; i < shares.size(); ++i) threads.emplace_back(work, i);
        work(0);
    }
    for (const auto& error : errors) {
        if (error) std::rethrow_exception(error);
    }
    return shares;
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
        if (!workers_[0]->bury(delivery, outcome.error, stop)) return false;
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

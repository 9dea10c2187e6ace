// The consumer's loop: take a batch, apply it, commit its offsets; again and again. Internal.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <stop_token>
#include <string>
#include <vector>

#include "crew.hpp"
#include "kafka_consumer.hpp"
#include "offsets.hpp"
#include "outbox/consumer.hpp"
#include "waiting.hpp"
#include "worker.hpp"

namespace outbox {

class Consumer::Runner {
public:
    explicit Runner(ConsumerOptions options);

    void on_batch(const std::vector<std::string>& types, BatchHandler handler);
    void after_batch(AfterBatch call) { after_batch_ = std::move(call); }
    void on_repeat(std::function<void(const Message&)> call) { on_repeat_ = std::move(call); }
    void run(const std::stop_token& stop);
    ConsumerCounts counts() const;
    std::vector<PartitionLag> lag() const;
    bool ready() const { return ready_ && database_well_; }

private:
    using Clock = std::chrono::steady_clock;

    void show(const KafkaConsumer* kafka);
    void start();
    std::vector<Delivery> take_batch();
    void admit(Delivery delivery, std::vector<Delivery>& batch);
    std::optional<Delivery> next(std::chrono::milliseconds limit);
    void read_ahead();
    bool is_ahead() const { return ahead_.size() >= options_.batch; }
    void finish(const std::stop_token& stop);
    bool settle(Delivery& delivery, const Outcome& outcome, const std::stop_token& stop);
    void fail(Delivery& delivery, const Outcome& outcome);
    void commit();
    void commit_when_due();

    ConsumerOptions options_;
    Handlers handlers_;
    AfterBatch after_batch_;
    std::function<void(const Message&)> on_repeat_;
    Offsets offsets_;
    std::optional<Clock::time_point> commit_due_;  // once there is something to commit
    Waiting waiting_;
    std::deque<Delivery> ahead_;  // read while the workers were busy; not admitted yet
    std::exception_ptr error_;    // of a batch
    std::mt19937 random_{std::random_device{}()};
    KafkaConsumer* kafka_ = nullptr;  // while running, as crew_
    Crew* crew_ = nullptr;
    mutable std::mutex shown_mutex_;
    const KafkaConsumer* shown_ = nullptr;  // the same, for other threads; under shown_mutex_
    std::uint64_t revocations_ = 0;
    std::atomic<bool> ready_{false}, database_well_{true};
    enum Count {
        received,
        applied,
        duplicates,
        ignored,
        retried,
        dead_lettered,
        batches,
        fallbacks,
        how_many
    };
    std::array<std::atomic<std::uint64_t>, how_many> counts_{};
};

}  // namespace outbox

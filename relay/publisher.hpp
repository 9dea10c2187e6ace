// Hands batches to Kafka and keeps them until they are delivered, in order.
//
// A row that Kafka can never take becomes a dead letter, and its key waits. When the broker refuses
// a row only after others were queued behind it, the producer is lost; the rows up to it are then
// sent again one at a time, so that the refusal names its culprit. Not thread-safe.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "relay/dead_letters.hpp"
#include "relay/kafka_sink.hpp"
#include "relay/settings.hpp"
#include "relay/status.hpp"

namespace relay {

// What refusals have taught; outlives the producers and sessions that they end.
struct Caution {
    std::optional<std::int64_t> suspect;  // rows up to this place are sent one at a time
    // A topic that allows less than a batch refuses it whole, innocent rows and all: each refusal
    // makes the batches smaller.
    int batch_bytes = 500'000;
};

class Publisher {
public:
    struct Hooks {
        // Called while waiting; throws to give up.
        std::function<void()> check;
        // The oldest batches are delivered: so many events, up to that place.
        std::function<void(std::size_t events, std::int64_t last_place)> delivered;
    };
    // transactional: for exactly_once; see kafka_transactions.hpp.
    Publisher(const Settings& settings, Status& status, DeadLetters& dead_letters, Caution& caution,
              Hooks hooks, std::optional<Transactional> transactional = std::nullopt);

    // The position that the last transaction committed; none without transactions or records.
    const std::optional<std::string>& committed() const { return committed_; }
    // With a transaction open: waits for what is in flight, and commits it with the position that
    // is current then. Throws ProducerFailed, and what check() throws.
    void commit(const std::function<std::string()>& position);

    // Returns once every row that is not delayed is queued, delivered or parked. Throws
    // ProducerFailed, and what check() throws.
    void publish(std::unique_ptr<Batch> batch);
    // Waits until at most so many batches are undelivered. Throws likewise.
    void await(std::size_t batches_left);
    // Serves what is delivered within the limit. Throws likewise.
    void serve(std::chrono::milliseconds limit);

    // How long the oldest batch has gone without progress; nothing when none is in flight.
    std::optional<std::chrono::steady_clock::duration> stalled() const;

private:
    using Clock = std::chrono::steady_clock;

    void learning(const std::function<void()>& work);
    void make_sink();
    void send(Row& row);
    void await_alone(Row& row);
    void park(Row& row, const std::string& error, const std::string* behind);
    static void set_aside(Row& row);
    void reap();
    void pump(std::chrono::milliseconds limit, bool to_the_end = false);

    const Settings& settings_;
    Status& status_;
    DeadLetters& dead_letters_;
    Caution& caution_;
    Hooks hooks_;
    std::optional<Transactional> transactional_;
    std::optional<std::string> committed_;
    std::deque<std::unique_ptr<Batch>> in_flight_;  // outlives sink_, which points into it
    std::unique_ptr<KafkaSink> sink_;
    bool overcautious_ = false;     // sink_ sends one by one, and need not any more
    std::uint64_t acknowledged_{};  // when progress was last looked at
    Clock::time_point progress_;
};

}  // namespace relay

// Delayed events: notes them as a window meets them, and publishes them when they are due.
//
// They order by due time, then seq, and hold nobody up. A note is on disk before the position goes
// past its event, and goes away after Kafka's acknowledgement: a crash repeats, and loses nothing.
// What is due by then of a key with a dead letter waits behind that. Not thread-safe.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "relay/courier.hpp"
#include "relay/dead_letters.hpp"
#include "relay/status.hpp"

namespace relay {

class Delays {
public:
    using Clock = std::chrono::steady_clock;
    Delays(Connection& connection, int shard, Courier courier, DeadLetters& dead_letters,
           Status& status);

    // The delayed rows of a batch, unless the lease's epoch is over. Noting twice changes nothing.
    void note(const Batch& batch, std::int64_t epoch);
    // Takes one batch of what is due, and returns how many events Kafka has acknowledged. Throws
    // what the courier throws: what was not reported stays due.
    std::size_t publish_some();
    // Not worth trying before.
    Clock::time_point next() const { return next_; }

private:
    struct Waiting {
        Row row;
        std::string topic, behind;
    };
    std::vector<Waiting> take_waiting(Batch& batch);
    void report(const Courier::Outcome& outcome, const std::vector<Waiting>& waiting);

    Connection& connection_;
    int shard_;
    Courier courier_;
    DeadLetters& dead_letters_;
    Status& status_;
    Clock::time_point next_;
};

}  // namespace relay

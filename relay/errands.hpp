// What a shard's relay publishes beside the windows, a batch in turn: released dead letters and
// delayed events that are due.
//
// Called between windows, when nothing is in flight and the position is recorded. At least once,
// under exactly_once as well: it is no part of the position's transaction. Not thread-safe.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <stop_token>

#include "relay/delays.hpp"
#include "relay/requests.hpp"
#include "relay/retries.hpp"

namespace relay {

class Errands {
public:
    using Clock = std::chrono::steady_clock;
    // check is called while waiting for Kafka; it throws to give up.
    Errands(const Settings& settings, const std::stop_token& stop, Connection& connection,
            DeadLetters& dead_letters, Status& status, const std::function<void()>& check);

    // Before a batch of a window is published: see Delays. True when it held delayed rows.
    bool note(const Batch& batch, std::int64_t epoch);
    // When run() should be called; the far future when nothing is asked for.
    Clock::time_point next(const Requests::Asked& asked) const;
    // Does a batch of each that is asked for, and returns how many events Kafka has acknowledged.
    // Throws ProducerFailed, and what check() throws.
    std::size_t run(const Requests::Asked& asked);

private:
    Retries retries_;
    Delays delays_;
};

}  // namespace relay

// What a shard's relay publishes beside the windows, a batch in turn: released dead letters,
// delayed events that are due, and history that is replayed.
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
#include "relay/replays.hpp"
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
    // Whether run() should be called, or how long until then.
    bool due(const Requests::Asked& asked) const { return next(asked) <= Clock::now(); }
    std::chrono::milliseconds wait(const Requests::Asked& asked) const;
    // Does a batch of each that is asked for, and returns how many events Kafka has acknowledged,
    // replayed ones apart.
    // Throws ProducerFailed, and what check() throws.
    std::size_t run(const Requests::Asked& asked);

private:
    Clock::time_point next(const Requests::Asked& asked) const;

    Retries retries_;
    Delays delays_;
    Replays replays_;
};

}  // namespace relay

// What is asked of a shard's relay: to pause, to go on with a dead letter's key, to publish what is
// due or history, to start from another position. Looked up in the database a few times a second,
// so that it costs nothing at each poll. Not thread-safe.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

#include "relay/postgres.hpp"

namespace relay {

class Requests {
public:
    using Clock = std::chrono::steady_clock;
    struct Asked {
        bool paused;
        bool retries;
        bool replays;
        std::optional<Clock::time_point> due;  // when the next delayed event is
        std::int64_t position;  // the latest number in the log: a rebase writes there, too
        bool pausing;  // to pause, at once or once it is drained, and nobody has said so yet
    };
    // Uses the connection in look() only.
    Requests(Connection& connection, int shard);

    // As it was a quarter of a second ago, or later.
    const Asked& look();
    // Looks anew the next time: the doorbell has rung, or a request was met.
    void expire() { looked_ = {}; }

private:
    Connection& connection_;
    int shard_;
    Asked asked_{};
    Clock::time_point looked_{};
};

}  // namespace relay

// What a session does for operators: pause, drain, errands.
#include <spdlog/spdlog.h>

#include "faults.hpp"
#include "relay/session.hpp"

namespace relay {

// Does what operators ask for; false while the shard is paused.
bool Session::attend() {
    const auto& asked = requests_.look();
    if (asked.pausing && !asked.paused && !progress_.settled()) {
        // Under load the record is a window behind, and what is drained would never be seen.
        settle();
        requests_.expire();
        return attend();
    }
    if (asked.position > progress_.at().n && !faults::mutant("no_fence"))
        throw Fenced{"the position of shard " + std::to_string(settings_.shard) + " was moved"};
    if (asked.paused != (status_.state() == State::paused)) {
        spdlog::info("shard {} is {}", settings_.shard, asked.paused ? "paused" : "resumed");
        status_.set(asked.paused ? State::paused : State::leading);
    }
    if (asked.paused) {
        // Up to its first event a slot goes on: WAL that holds none is not held back.
        if (const auto& at = progress_.at();
            at.lower.stream && !at.upper && !faults::mutant("deaf_pause"))
            progress_.follow(source_->poll(at, 0));
        stand_still();
        // Nobody needs to ring; but a session of another shard may want to sleep.
        progress_.at().shards == 1 ? wake() : doorbell_.release();
        if (doorbell_.wait(sleep, wake_up_.fd())) requests_.expire();
        return false;
    }
    if (errands_->due(asked) && !progress_.at().upper) {
        // Also the fence: a relay that has been superseded cannot write it.
        record(PositionLog::Durability::flushed);
        progress_.count(errands_->run(asked));
        requests_.expire();
    }
    return true;
}

// For a pause or a drain that is over.
void Session::stand_still() {
    settle();
    if (!requests_.look().pausing) return;
    log_.tell_stopped(progress_.at().epoch);
    requests_.expire();
}

}  // namespace relay

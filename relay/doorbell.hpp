// Sleeping without missing an event, and without a notification per commit.
//
// Each relay shares a session lock, without which nobody rings. Awake, it also holds one that every
// writer tries; only a writer that gets it sends a notification. Going to sleep takes care of the
// writers that saw the lock still held: they have an xid below that moment's snapshot, so until
// those transactions have ended the relay only dozes. Uses the connection that listens; not
// thread-safe.
#pragma once

#include <chrono>
#include <cstdint>
#include <stop_token>
#include <string>

#include "relay/postgres.hpp"

namespace relay {

class Doorbell {
public:
    explicit Doorbell(Connection& connection);

    // Tells writers that nobody needs ringing. Tried once: while a writer holds the lock for a
    // moment, the others ring for nothing, which costs them and loses nothing.
    void wake();
    // The last wake() failed: perhaps a predecessor that neither works nor ends keeps writers from
    // ringing. Try again, and do not sleep.
    bool silenced() const { return silenced_; }
    // Lets writers ring. The caller polls once more after this.
    void release();
    // Whether each transaction that may have seen the lock held is over, given a later poll's
    // snapshot.
    bool quiet(const std::string& snapshot);
    bool awake() const { return held_; }

    // Waits for a notification, the limit, or another descriptor; true when rung.
    bool wait(std::chrono::milliseconds limit, int wake_up_fd, int news_fd = -1);

private:
    Connection& connection_;
    bool held_{}, silenced_{};
    std::string released_at_;  // the first snapshot since release(); empty before
};

}  // namespace relay

// Sleeping without missing an event, and without a notification per commit.
//
// Each session that publishes shares a lock, without which nobody rings. Awake, it also holds one
// that every writer tries; only a writer that gets it sends a notification, to all sessions. Going
// to sleep takes care of the writers that saw the lock still held: they have an xid below that
// moment's snapshot, so until those transactions have ended the relay only dozes.
//
// With several shards, one session holds the lock for all that are awake; the others poll as often
// as if they held it, or doze when they have nothing to do. Nobody sleeps while it is held:
//  - a session sleeps only after it found the lock free, then drew an xid, and every transaction
//    listed by a snapshot after that is over: whoever saw an earlier holder is done and was seen;
//  - who takes the lock after that rings once itself, for those asleep: each of them looks at the
//    lock again, and dozes until it is free.
// The lock is taken when there are events to publish, never to see whether it is free; else two
// idle sessions would wake each other for ever.
//
// Uses the connection that listens; not thread-safe.
#pragma once

#include <chrono>
#include <cstdint>
#include <stop_token>
#include <string>

#include "relay/postgres.hpp"

namespace relay {

class Doorbell {
public:
    // shared: there are sessions of other shards.
    Doorbell(Connection& connection, bool shared);

    // Tells writers that nobody needs ringing, unless another session tells them already. Tried
    // once, and not at every call: while a writer holds the lock for a moment, the others ring for
    // nothing, which costs them and loses nothing.
    void wake();
    // Lets writers ring. The caller polls once more after this.
    void release();
    // Whether nobody holds the lock, and each transaction that may have seen it held is over, given
    // a later poll's snapshot.
    bool quiet(const std::string& snapshot);
    bool awake() const { return held_; }

    // Waits for a notification, the limit, or another descriptor; true when rung.
    bool wait(std::chrono::milliseconds limit, int wake_up_fd, int news_fd = -1);

private:
    using Clock = std::chrono::steady_clock;

    bool is_free();
    void draw_xid();

    Connection& connection_;
    bool shared_;
    bool held_{};
    bool silenced_{};   // another holds it: of another shard, or one that neither works nor ends
    bool seen_held_{};  // by another since the xid was drawn, perhaps
    Clock::time_point tried_;
    std::string released_at_;  // the first snapshot since the xid was drawn; empty before
};

}  // namespace relay

#include "relay/doorbell.hpp"

#include <charconv>
#include <utility>

#include "faults.hpp"

namespace relay {
namespace {

constexpr std::chrono::milliseconds try_every{25};

// "xmin:xmax:xip,…": the format of pg_snapshot in text.
std::uint64_t part(const std::string& snapshot, int index) {
    std::size_t begin = 0;
    for (; index > 0; --index) begin = snapshot.find(':', begin) + 1;
    std::uint64_t value{};
    std::from_chars(snapshot.data() + begin, snapshot.data() + snapshot.size(), value);
    return value;
}

}  // namespace

Doorbell::Doorbell(Connection& connection, bool shared) : connection_{connection}, shared_{shared} {
    connection_.prepare("wake", "select pg_try_advisory_lock(1886352244, 0)");
    connection_.prepare("is_free",
                        "select pg_try_advisory_lock_shared(1886352244, 0) and "
                        "pg_advisory_unlock_shared(1886352244, 0)");
    if (faults::mutant("silent_reconnect")) {
        static bool connected_before = false;
        if (std::exchange(connected_before, true)) return;  // what the session held is gone
    }
    connection_.run("listen outbox");
    connection_.run("select pg_advisory_lock_shared(1886352244, 4)");
}

void Doorbell::wake() {
    const auto now = Clock::now();
    if (held_ || (silenced_ && now - tried_ < try_every)) return;
    tried_ = now;
    held_ = connection_.run_prepared("wake", {}).at(0, 0) == "t";
    silenced_ = !held_ && !faults::mutant("silenced");
    seen_held_ = !held_;
    if (held_ && shared_ && !faults::mutant("sleep_while_held"))
        connection_.run("select pg_notify('outbox', '') where pg_notification_queue_usage() < 0.5");
}

void Doorbell::release() {
    if (held_) {
        connection_.run("select pg_advisory_unlock(1886352244, 0)");
        draw_xid();
    }
    held_ = false;
}

// Whoever saw the lock held before has an older xid than this one, so that every later snapshot
// lists it for as long as it runs.
void Doorbell::draw_xid() {
    connection_.run("select pg_current_xact_id()");
    seen_held_ = false;
    released_at_.clear();
}

bool Doorbell::is_free() { return connection_.run_prepared("is_free", {}).at(0, 0) == "t"; }

bool Doorbell::quiet(const std::string& snapshot) {
    if (held_) return false;
    if (silenced_ || (shared_ && !faults::mutant("sleep_while_held"))) {
        silenced_ = !is_free();
        if (silenced_) {
            seen_held_ = true;
            return false;
        }
    }
    if (seen_held_) {
        draw_xid();
        return false;
    }
    if (released_at_.empty()) released_at_ = snapshot;
    return part(snapshot, 0) >= part(released_at_, 1);
}

bool Doorbell::wait(std::chrono::milliseconds limit, int wake_up_fd, int news_fd) {
    const bool rung = connection_.await_notification(limit, wake_up_fd, news_fd);
    if (rung && shared_) seen_held_ = true;
    return rung;
}

}  // namespace relay

#include "relay/doorbell.hpp"

#include <poll.h>

#include <array>
#include <charconv>
#include <utility>

#include "faults.hpp"

namespace relay {
namespace {

// "xmin:xmax:xip,…": the format of pg_snapshot in text.
std::uint64_t part(const std::string& snapshot, int index) {
    std::size_t begin = 0;
    for (; index > 0; --index) begin = snapshot.find(':', begin) + 1;
    std::uint64_t value{};
    std::from_chars(snapshot.data() + begin, snapshot.data() + snapshot.size(), value);
    return value;
}

}  // namespace

Doorbell::Doorbell(Connection& connection) : connection_{connection} {
    connection_.prepare("wake", "select pg_try_advisory_lock(1886352244, 0)");
    if (faults::mutant("silent_reconnect")) {
        static bool connected_before = false;
        if (std::exchange(connected_before, true)) return;  // what the session held is gone
    }
    connection_.run("listen outbox");
    connection_.run("select pg_advisory_lock_shared(1886352244, 4)");
}

void Doorbell::wake() {
    if (held_) return;
    held_ = connection_.run_prepared("wake", {}).at(0, 0) == "t";
    silenced_ = !held_ && !faults::mutant("silenced");
    released_at_.clear();
}

void Doorbell::release() {
    if (held_) {
        connection_.run("select pg_advisory_unlock(1886352244, 0)");
        // Whoever saw the lock held has an older xid than this one, so that every later snapshot
        // lists it for as long as it runs.
        connection_.run("select pg_current_xact_id()");
    }
    held_ = false;
    released_at_.clear();
}

bool Doorbell::quiet(const std::string& snapshot) {
    if (held_ || silenced_) return false;
    if (released_at_.empty()) released_at_ = snapshot;
    return part(snapshot, 0) >= part(released_at_, 1);
}

bool Doorbell::wait(std::chrono::milliseconds limit, int wake_up_fd, int news_fd) {
    // One may have come in with the answer to a query, which leaves the socket silent.
    if (connection_.take_notifications()) return true;
    std::array<pollfd, 3> fds{pollfd{connection_.socket(), POLLIN, 0},
                              pollfd{wake_up_fd, POLLIN, 0}, pollfd{news_fd, POLLIN, 0}};
    if (::poll(fds.data(), fds.size(), static_cast<int>(limit.count())) <= 0) return false;
    return (fds[0].revents != 0) && connection_.take_notifications();
}

}  // namespace relay

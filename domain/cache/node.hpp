// One Redis server: a bounded pool of connections to it, and a circuit breaker before them.
//
// After a failure nothing is asked for a pause, which doubles up to Options::longest_pause as long
// as the one request that is let through after each pause fails as well. Thread-safe.
#pragma once

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "domain/cache/connection.hpp"

namespace domain::cache {

class Node {
public:
    struct Options {
        std::string password;
        std::size_t connections = 8;
        std::chrono::milliseconds wait{50};  // for a connection, when all of them are in use
        Bounds bounds = {};
        std::chrono::milliseconds first_pause{50};
        std::chrono::milliseconds longest_pause{2000};
    };
    enum class Asking { no, yes };  // yes: of a slot that is on its way to this server

    Node(std::string address, Options options);

    // Throws Unavailable: at once while the breaker is open.
    Reply run(const Words& words, Asking asking = Asking::no);

    const std::string& address() const { return address_; }

private:
    using Clock = std::chrono::steady_clock;
    class Lease;

    void admit(std::unique_lock<std::mutex>& lock);
    void trip();
    void succeed(std::unique_ptr<Connection> connection);

    const std::string address_;
    const Options options_;
    std::mutex mutex_;
    std::condition_variable returned_;
    std::vector<std::unique_ptr<Connection>> idle_;
    std::size_t lent_ = 0;
    Clock::duration pause_{};  // zero: the breaker is closed
    Clock::time_point retry_at_;
    bool probing_ = false;
};

}  // namespace domain::cache

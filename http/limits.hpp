// What a service allows its clients: from which origins browsers may ask, and how many requests.
// Thread-safe.
#pragma once

#include <chrono>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "http/message.hpp"

namespace http {

// The Fetch standard's CORS. Nobody is let in with cookies: who asks says so by a bearer token.
class Cors {
public:
    // Origins as browsers send them, or "*" for every one; none: no header of CORS is ever sent.
    explicit Cors(std::vector<std::string> origins) : origins_(std::move(origins)) {}

    // Whether it asks, for a page of an origin that is allowed, what may be asked.
    bool is_preflight(const Request& request) const;
    // The answer to that; allow: the methods of the path.
    static Response preflight(const std::string& allow);

    // Lets the page that asked see the answer, and caches tell such answers apart.
    void mark(const Request& request, Response& response) const;

private:
    bool allows(std::string_view origin) const;
    bool any() const;

    std::vector<std::string> origins_;
};

// So many requests a second, and as many at once: a bucket of tokens.
class Rate {
public:
    using Clock = std::chrono::steady_clock;

    explicit Rate(int per_second) : per_second_(per_second), tokens_(per_second) {}  // 0: any

    bool takes(Clock::time_point now = Clock::now());

private:
    const double per_second_;
    std::mutex mutex_;
    double tokens_;
    Clock::time_point filled_{};
};

}  // namespace http

// Sessions that account has said to be revoked, each for as long as a token of it may live. At most
// so many: one more pushes out the one that ends soonest. Thread-safe.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <set>
#include <unordered_map>
#include <utility>

namespace http {

class Revocations {
public:
    using Time = std::chrono::steady_clock::time_point;

    explicit Revocations(std::size_t most) : most_{most} {}

    void keep(std::int64_t session, Time until);
    bool has(std::int64_t session, Time now) const;

private:
    const std::size_t most_;
    mutable std::mutex mutex_;
    std::unordered_map<std::int64_t, Time> until_;
    std::set<std::pair<Time, std::int64_t>> by_end_;  // the same
};

}  // namespace http

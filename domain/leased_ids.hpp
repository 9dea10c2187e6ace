// Ids by a machine number that is leased from the database that stores them, so that they are
// unique among all processes that make ids there. The lease is renewed on the way, when ids are
// made; whoever made none for longer takes another number. Thread-safe.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>

#include "domain/pool.hpp"
#include "domain/sonyflake.hpp"

namespace domain {

class LeasedIds {
public:
    // Time since some beginning, which no setting of a clock moves, and which goes on in
    // suspension.
    using Elapsed = std::function<std::chrono::nanoseconds()>;
    static std::chrono::nanoseconds since_boot();

    // How long a lease lasts. It is renewed when a third is over; for the last sixth nothing is
    // made with it, as room for an answer that tarries and clocks that differ in speed.
    static constexpr std::chrono::minutes lease{60};

    // Takes a number, with the patience of a start. Throws what pool.acquire and pqxx do, and
    // std::runtime_error when all are taken. The pool must outlive it.
    explicit LeasedIds(Pool& pool, Elapsed elapsed = since_boot);

    // Above all that it made before. Throws as the constructor, only once the lease cannot be
    // renewed in time: a number that might be another's by then makes no id. Takes a connection
    // now and then: not to be called with one in hand.
    std::int64_t next();

private:
    void keep();
    void take(int attempts);
    void renew(std::chrono::nanoseconds now);
    void begin(std::chrono::nanoseconds now);

    Pool& pool_;
    const Elapsed elapsed_;
    std::mutex mutex_;  // of what follows
    std::chrono::nanoseconds renew_at_{}, ends_at_{};
    std::uint16_t number_ = 0;
    std::string holder_;
    Sonyflake ids_{0};
};

}  // namespace domain

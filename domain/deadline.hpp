// By when this thread's work must be done, for what it calls to wait no longer and to try no more.
//
//   const domain::Deadline deadline{std::chrono::seconds{5}};   // until the end of the scope
//   … transact(pool, …)
#pragma once

#include <chrono>

namespace domain {

class Deadline {
public:
    using Clock = std::chrono::steady_clock;

    explicit Deadline(Clock::duration time) { ends_at = Clock::now() + time; }
    ~Deadline() { ends_at = Clock::time_point::max(); }
    Deadline(const Deadline&) = delete;
    Deadline& operator=(const Deadline&) = delete;

    // max() where nobody has set one.
    static Clock::time_point until() { return ends_at; }
    static bool is_over() { return Clock::now() >= ends_at; }

private:
    static thread_local inline Clock::time_point ends_at = Clock::time_point::max();
};

}  // namespace domain

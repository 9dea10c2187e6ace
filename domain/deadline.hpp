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

    explicit Deadline(Clock::duration time) { until_ = Clock::now() + time; }
    ~Deadline() { until_ = Clock::time_point::max(); }
    Deadline(const Deadline&) = delete;
    Deadline& operator=(const Deadline&) = delete;

    // max() where nobody has set one.
    static Clock::time_point until() { return until_; }
    static bool is_over() { return Clock::now() >= until_; }

private:
    static thread_local inline Clock::time_point until_ = Clock::time_point::max();
};

}  // namespace domain

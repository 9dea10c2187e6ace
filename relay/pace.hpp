// How long a relay rests after a window. Each window costs one poll, one flush and one request at
// least, so many small ones take from writers on the same cores what fewer, larger ones leave them:
//
//   half a millisecond for each 1,000 events a second, 5 ms at most; none for a large window, as
//   behind that there may be a backlog
//
// At 1,000 events a second nothing waits; at 8,000 an event waits 2 ms more on average.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>

namespace relay {

class Pace {
public:
    using Clock = std::chrono::steady_clock;
    static constexpr std::size_t large = 1000;
    static constexpr std::chrono::milliseconds longest{5};

    // After a window of so many events that was polled now.
    std::chrono::milliseconds after(std::size_t events, Clock::time_point now) {
        const std::chrono::duration<double, std::milli> since{now - last_};
        last_ = now;
        if (events >= large || since.count() <= 0) return {};
        const auto half = static_cast<double>(events) / since.count() / 2;
        return std::min(longest, std::chrono::milliseconds{static_cast<int>(std::min(half, 1e3))});
    }

private:
    Clock::time_point last_{};
};

}  // namespace relay

// How long a relay that is awake rests, 5 ms at most.
//
// After a window: half a millisecond for each 1,000 events a second, but not after a large one, as
// behind that there may be a backlog. Each window costs one poll, one flush and one request at
// least, so many small ones take from writers on the same cores what fewer, larger ones leave them.
// At 1,000 events a second nothing waits; at 8,000 an event waits 2 ms more on average.
//
// After a poll that found nothing: as long as is asked for, or a quarter of the silence so far.
// Many relays of services with a few events a second would else poll a core away.
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

    // After a poll that found nothing, so long after the last event.
    static std::chrono::milliseconds within(Clock::duration silence,
                                            std::chrono::milliseconds poll) {
        const auto quarter = std::chrono::duration_cast<std::chrono::milliseconds>(silence / 4);
        return std::max(poll, std::min(quarter, longest));
    }

private:
    Clock::time_point last_{};
};

}  // namespace relay

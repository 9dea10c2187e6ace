// The keys that wait: each has a failed event at its head, due for another attempt, and what came
// after it. Internal; not thread-safe.
#pragma once

#include <chrono>
#include <cstddef>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "delivery.hpp"

namespace outbox {

// The pause before the next attempt: doubling from first to last, less up to a half by chance, so
// that what failed together does not come back together. random is from [0, 1).
std::chrono::milliseconds backoff(int attempts, std::chrono::milliseconds first,
                                  std::chrono::milliseconds last, double random);

class Waiting {
public:
    using Clock = std::chrono::steady_clock;

    bool holds(const std::string& lane) const { return lanes_.contains(lane); }
    // Behind what its key waits for, in the order of arrival.
    void queue(Delivery delivery);
    // A failed event, to be tried again at that time; its key waits.
    void retry(Delivery delivery, Clock::time_point due);
    // Of each key that is due its head, and what follows it if none of these has failed yet; about
    // so many in all. They are out until advance(), queue() or retry().
    std::vector<Delivery> due(Clock::time_point now, std::size_t limit);
    // One that was out is finished: the key's next one becomes due, or the key is free.
    void advance(const std::string& lane, Clock::time_point now);

    std::optional<Clock::time_point> next_due() const;
    std::size_t size() const { return size_; }
    void clear();

private:
    struct Lane {
        std::deque<Delivery> queue;
        std::optional<Clock::time_point> due;  // none: they are out
    };
    std::map<std::string, Lane> lanes_;
    std::size_t size_ = 0;
};

}  // namespace outbox

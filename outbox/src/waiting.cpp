#include "waiting.hpp"

#include <algorithm>
#include <utility>

namespace outbox {

std::chrono::milliseconds backoff(int attempts, std::chrono::milliseconds first,
                                  std::chrono::milliseconds last, double random) {
    auto pause = first;
    for (int i = 1; i < attempts && pause < last; ++i) pause *= 2;
    pause = std::min(pause, last);
    return std::chrono::milliseconds{
        static_cast<std::int64_t>(static_cast<double>(pause.count()) * (1.0 - random / 2))};
}

void Waiting::queue(Delivery delivery) {
    auto& queue = lanes_.at(delivery.lane()).queue;
    const auto at = std::ranges::upper_bound(queue, delivery.arrival, {}, &Delivery::arrival);
    queue.insert(at, std::move(delivery));
    ++size_;
}

void Waiting::retry(Delivery delivery, Clock::time_point due) {
    auto& lane = lanes_[delivery.lane()];
    lane.queue.push_front(std::move(delivery));
    lane.due = due;
    ++size_;
}

std::vector<Delivery> Waiting::due(Clock::time_point now, std::size_t limit) {
    std::vector<Delivery> taken;
    for (auto& [name, lane] : lanes_) {
        if (!lane.due || *lane.due > now) continue;
        auto& queue = lane.queue;
        bool untried = true;
        do {
            untried = queue.front().attempts == 0;
            taken.push_back(std::move(queue.front()));
            taken.back().retrying = true;
            queue.pop_front();
            --size_;
        } while (untried && taken.size() < limit && !queue.empty() && queue.front().attempts == 0);
        lane.due.reset();
    }
    return taken;
}

void Waiting::advance(const std::string& lane, Clock::time_point now) {
    const auto found = lanes_.find(lane);
    if (found == lanes_.end()) return;
    if (found->second.queue.empty()) {
        lanes_.erase(found);
    } else {
        found->second.due = now;
    }
}

std::optional<Waiting::Clock::time_point> Waiting::next_due() const {
    std::optional<Clock::time_point> next;
    for (const auto& [name, lane] : lanes_) {
        if (lane.due && (!next || *lane.due < *next)) next = lane.due;
    }
    return next;
}

void Waiting::clear() {
    lanes_.clear();
    size_ = 0;
}

}  // namespace outbox

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
    auto& lane = lanes_.at(delivery.lane());
    lane.queue.push_back(std::move(delivery));
    ++size_;
}

void Waiting::retry(Delivery delivery, Clock::time_point due) {
    auto& lane = lanes_[delivery.lane()];
    delivery.retrying = true;
    lane.queue.push_front(std::move(delivery));
    lane.due = due;
    ++size_;
}

std::vector<Delivery> Waiting::due(Clock::time_point now) {
    std::vector<Delivery> heads;
    for (auto& [name, lane] : lanes_) {
        if (!lane.due || *lane.due > now) continue;
        heads.push_back(std::move(lane.queue.front()));
        lane.queue.pop_front();
        lane.due.reset();
        --size_;
    }
    return heads;
}

void Waiting::advance(const std::string& lane, Clock::time_point now) {
    const auto found = lanes_.find(lane);
    if (found == lanes_.end()) return;
    if (found->second.queue.empty()) {
        lanes_.erase(found);
    } else {
        found->second.queue.front().retrying = true;
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

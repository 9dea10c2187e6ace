#include "relay/progress.hpp"

#include <spdlog/spdlog.h>

#include <utility>

namespace relay {

std::chrono::steady_clock::duration Progress::since_recorded() const {
    return Clock::now() - recorded_;
}

void Progress::begin(Position position) {
    position_ = std::move(position);
    recorded_ = Clock::now();
    status_.position.Set(static_cast<double>(position_.published));
}

void Progress::catch_up(const std::string& record) {
    // What a transaction committed is published, whether or not its position has reached the
    // database.
    const auto committed = log_.from_record(record, position_.epoch);
    if (!committed || committed->published <= position_.published) return;
    spdlog::info("{} events more were committed to Kafka than the database knows of",
                 committed->published - position_.published);
    position_.lower = committed->lower;
    position_.upper = committed->upper;
    position_.last_place = committed->last_place;
    position_.published = committed->published;
    settled_ = false;
}

void Progress::open_window(Edge upper, std::int64_t last_place) {
    position_.upper = std::move(upper);
    position_.last_place = last_place;
}

void Progress::delivered(std::size_t events, std::int64_t last_place) {
    position_.last_place = last_place;
    count(events);
}

void Progress::count(std::size_t events) {
    position_.published += static_cast<std::int64_t>(events);
    settled_ = false;
    status_.published.Increment(static_cast<double>(events));
    status_.position.Set(static_cast<double>(position_.published));
}

void Progress::close_window(Edge reached) {
    skip_to(std::move(reached));
    position_.upper.reset();
    position_.last_place = 0;
}

void Progress::skip_to(Edge lower) {
    position_.lower = std::move(lower);
    settled_ = false;
}

void Progress::follow(const Poll& poll) {
    if (poll.record_after && since_recorded() >= *poll.record_after) skip_to(poll.upper);
}

void Progress::record(PositionLog::Durability durability) {
    log_.record(position_, durability);
    settled_ = true;
    recorded_ = Clock::now();
}

}  // namespace relay

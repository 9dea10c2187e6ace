#include "relay/errands.hpp"

#include <algorithm>

namespace relay {

Errands::Errands(const Settings& settings, const std::stop_token& stop, Connection& connection,
                 DeadLetters& dead_letters, Status& status, const std::function<void()>& check)
    : retries_{connection, settings.shard, {settings, settings.kafka, stop, check}},
      delays_{connection,
              settings.shard,
              {settings, settings.kafka, stop, check},
              dead_letters,
              status},
      replays_{settings, stop, connection, check} {}

bool Errands::note(const Batch& batch, std::int64_t epoch) {
    if (batch.delayed.empty()) return false;
    delays_.note(batch, epoch);
    return true;
}

Errands::Clock::time_point Errands::next(const Requests::Asked& asked) const {
    auto next = asked.retries ? Clock::time_point{} : Clock::time_point::max();
    if (asked.due) next = std::min(next, std::max(*asked.due, delays_.next()));
    if (asked.replays) next = std::min(next, replays_.next());
    return next;
}

std::chrono::milliseconds Errands::wait(const Requests::Asked& asked) const {
    const auto now = Clock::now();
    return std::chrono::ceil<std::chrono::milliseconds>(std::max(next(asked), now) - now);
}

std::size_t Errands::run(const Requests::Asked& asked) {
    const auto now = Clock::now();
    std::size_t published = 0;
    if (asked.retries) published += retries_.publish_some();
    if (asked.due && std::max(*asked.due, delays_.next()) <= now)
        published += delays_.publish_some();
    if (asked.replays && replays_.next() <= now) replays_.publish_some();
    return published;
}

}  // namespace relay

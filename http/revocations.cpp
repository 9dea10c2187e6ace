#include "http/revocations.hpp"

namespace http {

void Revocations::keep(std::int64_t session, Time until) {
    const std::scoped_lock lock(mutex_);
    auto& kept = until_[session];  // the epoch when it is new
    if (until <= kept) return;
    by_end_.erase({kept, session});
    kept = until;
    by_end_.emplace(until, session);
    if (by_end_.size() <= most_) return;
    const auto soonest = by_end_.begin();
    until_.erase(soonest->second);
    by_end_.erase(soonest);
}

bool Revocations::has(std::int64_t session, Time now) const {
    const std::scoped_lock lock(mutex_);
    const auto found = until_.find(session);
    return found != until_.end() && now < found->second;
}

}  // namespace http

#include "http/purchase/feed.hpp"

#include <algorithm>
#include <utility>

namespace http::purchase {

Feed::Feed(Ask ask) : Feed(std::move(ask), Options{}) {}
Feed::Feed(Ask ask, Options options) : ask_(std::move(ask)), options_(options) {}

std::shared_ptr<Feed::Watch> Feed::watch(domain::PurchaseId id) {
    {
        const std::scoped_lock lock(mutex_);
        if (streams_ >= options_.streams) return nullptr;
        ++streams_;
        ++watched_[id].streams;
    }
    return std::make_shared<Watch>(*this, id);
}

void Feed::leave(domain::PurchaseId id) {
    const std::scoped_lock lock(mutex_);
    --streams_;
    const auto found = watched_.find(id);
    if (--found->second.streams == 0) watched_.erase(found);
}

void Feed::look() {
    {
        const std::scoped_lock lock(mutex_);
        looked_ = true;
    }
    changed_.notify_all();
}

bool Feed::await(domain::PurchaseId id, std::int64_t after, Clock::time_point until,
                 const std::stop_token& stop) {
    std::unique_lock lock(mutex_);
    const auto& watched = watched_.at(id);
    while (watched.last <= after && !stop.stop_requested() && Clock::now() < until) {
        if (!asking_ && (looked_ || Clock::now() >= next_poll_)) {
            refresh(lock);
            continue;
        }
        // While another one asks, what to wait for is its answer; if that is none for this one,
        // this one may be the next to ask, as the other may be gone by then.
        const bool another_asks = asking_;
        const auto wake_up = another_asks ? until : std::min(until, next_poll_);
        changed_.wait_until(lock, stop, wake_up, [&] {
            return watched.last > after || (!asking_ && (another_asks || looked_));
        });
    }
    return watched.last > after;
}

void Feed::refresh(std::unique_lock<std::mutex>& lock) {
    std::vector<domain::PurchaseId> ids;
    ids.reserve(watched_.size());
    for (const auto& [id, watched] : watched_) ids.push_back(id);
    asking_ = true;
    // Before the question: what is applied while it is asked may be missing from its answer.
    looked_ = false;
    lock.unlock();
    std::map<domain::PurchaseId, std::int64_t> answer;
    std::exception_ptr failure;
    try {
        answer = ask_(std::move(ids));
    } catch (...) {
        failure = std::current_exception();
    }
    lock.lock();
    asking_ = false;
    next_poll_ = Clock::now() + options_.poll;
    for (const auto& [id, last] : answer) {
        if (const auto found = watched_.find(id); found != watched_.end())
            found->second.last = last;
    }
    changed_.notify_all();
    if (failure) std::rethrow_exception(failure);
}

}  // namespace http::purchase

// A queue of limited length between the thread that reads and the one that publishes. Thread-safe.
#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <exception>
#include <mutex>
#include <optional>
#include <utility>

namespace relay {

template <typename T>
class BoundedQueue {
public:
    explicit BoundedQueue(std::size_t limit) : limit_{limit} {}

    // Waits for room; false once the taker has closed the queue.
    bool push(T item) {
        std::unique_lock lock{mutex_};
        changed_.wait(lock, [&] { return closed_ || items_.size() < limit_; });
        if (closed_) return false;
        items_.push_back(std::move(item));
        changed_.notify_all();
        return true;
    }

    // The giver's last word: no more items, or the error that ended them.
    void finish(std::exception_ptr error = nullptr) {
        const std::lock_guard lock{mutex_};
        finished_ = true;
        failed_ = error != nullptr;
        error_ = std::move(error);
        changed_.notify_all();
    }

    // The taker's: what is left is dropped, and push() gives up.
    void close() {
        const std::lock_guard lock{mutex_};
        closed_ = true;
        items_.clear();
        changed_.notify_all();
    }

    // The next item, waiting up to the limit; none when it has run out, or at the end: see done().
    // Throws the giver's error once its items are taken.
    std::optional<T> pop(std::chrono::milliseconds limit) {
        std::unique_lock lock{mutex_};
        changed_.wait_for(lock, limit, [&] { return finished_ || !items_.empty(); });
        if (items_.empty()) {
            if (error_) std::rethrow_exception(std::exchange(error_, nullptr));
            return std::nullopt;
        }
        std::optional<T> item{std::move(items_.front())};
        items_.pop_front();
        changed_.notify_all();
        return item;
    }

    // Whether every item has been given and taken; never after an error.
    bool done() const {
        const std::lock_guard lock{mutex_};
        return finished_ && items_.empty() && !failed_;
    }

private:
    const std::size_t limit_;
    mutable std::mutex mutex_;
    std::condition_variable changed_;
    std::deque<T> items_;
    std::exception_ptr error_;
    bool finished_{}, failed_{}, closed_{};
};

}  // namespace relay

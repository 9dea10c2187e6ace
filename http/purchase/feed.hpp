// Tells the streams of this process when their purchases have moved on, and bounds how many there
// are.
//
//   const auto watch = feed.watch(purchase);                    // null: too many streams
//   if (watch->await(last_seen, until, stop)) …                 // there is something after
//   last_seen
//
// What this process's own consumer applied shows at once: it calls look(). For what other processes
// applied, one of those that wait asks the database every `poll`, for all of them. Nobody asks
// while nobody waits. Thread-safe. Errors of the database reach one of those that wait.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <stop_token>
#include <vector>

#include "domain/ids.hpp"

namespace http::purchase {

class Feed {
public:
    using Clock = std::chrono::steady_clock;
    // The numbers of the last events of these purchases.
    using Ask =
        std::function<std::map<domain::PurchaseId, std::int64_t>(std::vector<domain::PurchaseId>)>;
    struct Options {
        int streams = 16;  // at the same time; each holds one of the server's 64 threads
        std::chrono::milliseconds poll{250};
    };

    explicit Feed(Ask ask);
    Feed(Ask ask, Options options);

    // Holds one of the streams' places. Must not outlive the feed.
    class Watch {
    public:
        Watch(Feed& feed, domain::PurchaseId id) : feed_(feed), id_(id) {}
        ~Watch() { feed_.leave(id_); }
        Watch(const Watch&) = delete;
        Watch& operator=(const Watch&) = delete;

        // Whether there is an event after that number; false when the time is over, or at a stop.
        bool await(std::int64_t after, Clock::time_point until, const std::stop_token& stop) {
            return feed_.await(id_, after, until, stop);
        }

    private:
        Feed& feed_;
        domain::PurchaseId id_;
    };
    std::shared_ptr<Watch> watch(domain::PurchaseId id);

    // Something may have been applied here. Never blocks for long, never throws.
    void look();

private:
    struct Watched {
        int streams = 0;
        std::int64_t last = 0;
    };

    void leave(domain::PurchaseId id);
    bool await(domain::PurchaseId id, std::int64_t after, Clock::time_point until,
               const std::stop_token& stop);
    void refresh(std::unique_lock<std::mutex>& lock);

    const Ask ask_;
    const Options options_;
    std::mutex mutex_;
    std::condition_variable_any changed_;
    std::map<domain::PurchaseId, Watched> watched_;
    int streams_ = 0;
    bool looked_ = true;   // since the last question
    bool asking_ = false;  // one of those that wait is at it
    Clock::time_point next_poll_{};
};

}  // namespace http::purchase

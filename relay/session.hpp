// One relay's time with one lease: from taking it to losing it, stopping, or an error that ends the
// session. Used by pipeline.cpp; not thread-safe.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>

#include "relay/dead_letters.hpp"
#include "relay/doorbell.hpp"
#include "relay/errands.hpp"
#include "relay/housekeeping.hpp"
#include "relay/lease.hpp"
#include "relay/pace.hpp"
#include "relay/position.hpp"
#include "relay/progress.hpp"
#include "relay/publisher.hpp"
#include "relay/requests.hpp"
#include "relay/settings.hpp"
#include "relay/source.hpp"
#include "relay/status.hpp"
#include "relay/wake_up.hpp"

namespace relay {

class Session {
public:
    // Takes the lease, if it is free. caution: what refusals of earlier sessions have taught.
    Session(const Settings& settings, Status& status, const std::stop_token& stop,
            const WakeUp& wake_up, Caution& caution);
    ~Session();
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;

    // With the lease, publishes until stopped, drained, or its shard is no more; true for drained.
    // Throws on everything else.
    bool run();

private:
    static constexpr std::chrono::milliseconds sleep{1000};  // a notification is only a hint

    using Clock = std::chrono::steady_clock;

    void make_publisher();
    bool publish_all();
    bool attend();
    bool meet(std::int64_t valid_floor);
    void stand_still();
    void wake();
    void publish_window(Poll poll);
    void publish_in_chunks();
    void publish(std::unique_ptr<Batch> batch);
    void check();
    void close_window(Edge reached);
    void settle();
    void rest(const Poll& poll);
    void record(PositionLog::Durability durability);

    Settings settings_;
    Status& status_;
    const std::stop_token& stop_;
    const WakeUp& wake_up_;
    Caution& caution_;

    Connection connection_;
    PositionLog log_;
    std::unique_ptr<Source> source_;  // before the lease is taken: see TableSource
    std::optional<Position> taken_;
    Progress progress_;
    Doorbell doorbell_;
    DeadLetters dead_letters_;
    Requests requests_;
    std::optional<Publisher> publisher_;
    std::optional<Errands> errands_;
    std::unique_ptr<Lease> lease_;
    std::unique_ptr<Housekeeping> housekeeping_;
    std::optional<Clock::time_point> stopping_since_;
    Clock::time_point last_event_;
    std::size_t window_events_ = 0;
    Pace pace_;
};

}  // namespace relay

// How far a session is: its position in memory, and whether the log knows of it. Not thread-safe.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>

#include "relay/position.hpp"
#include "relay/source.hpp"
#include "relay/status.hpp"

namespace relay {

class Progress {
public:
    Progress(PositionLog& log, Status& status) : log_{log}, status_{status} {}

    const Position& at() const { return position_; }
    bool settled() const { return settled_; }
    std::chrono::steady_clock::duration since_recorded() const;

    // From what the log told with the lease.
    void begin(Position position);
    // Goes on to what a transaction committed to Kafka, unless the log is as far.
    void catch_up(const std::string& record);
    // Fixes a window; nothing of it may be published before that is recorded.
    void open_window(Edge upper, std::int64_t last_place = 0);
    // Of the open window, everything up to the place.
    void delivered(std::size_t events, std::int64_t last_place);
    void count(std::size_t events);
    // All of the open window is published, which reaches up to this edge.
    void close_window(Edge reached);
    // Nothing between the lower edge and this one is to be published.
    void skip_to(Edge lower);
    // The same for a poll without rows, when its edge is worth a record.
    void follow(const Poll& poll);
    void record(PositionLog::Durability durability);

private:
    using Clock = std::chrono::steady_clock;

    PositionLog& log_;
    Status& status_;
    Position position_;
    bool settled_ = true;  // the recorded position is the one in memory
    Clock::time_point recorded_;
};

}  // namespace relay

// What systemd, or whoever else set NOTIFY_SOCKET, is told about this process: sd_notify(3). Does
// nothing without one.
//
// The watchdog is fed by beat(), so by whoever calls it and by no thread of this class's own: when
// the caller hangs, so does the feeding. One thread at a time, but for stopping().
#pragma once

#include <chrono>
#include <string>
#include <thread>

namespace relay {

class Systemd {
public:
    using Clock = std::chrono::steady_clock;

    Systemd();

    // From the first time on, the service counts as started.
    void ready();
    // A line about what it is doing, for systemctl status.
    static void tell(const std::string& line);
    // A sign of life, with a line, and how often the watchdog wants one.
    void beat(const std::string& line) const;
    Clock::duration every() const { return every_; }
    static void stopping();

private:
    bool is_ready_ = false;
    bool has_watchdog_ = false;
    Clock::duration every_ = std::chrono::seconds{10};
    std::jthread apart_;  // of a mutant only
};

}  // namespace relay

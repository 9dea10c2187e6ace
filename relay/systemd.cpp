#include "relay/systemd.hpp"

#include <systemd/sd-daemon.h>

#include <algorithm>
#include <condition_variable>
#include <cstdint>
#include <mutex>

#include "faults.hpp"

namespace relay {
namespace {

// Nobody there to be told is no fault of ours.
void notify(const std::string& message) { static_cast<void>(::sd_notify(0, message.c_str())); }

std::string status(std::string line) {
    std::ranges::replace(line, '\n', ' ');
    return "STATUS=" + line;
}

}  // namespace

Systemd::Systemd() {
    std::uint64_t limit_us = 0;
    has_watchdog_ = ::sd_watchdog_enabled(0, &limit_us) > 0;
    if (has_watchdog_)
        every_ = std::min<Clock::duration>(every_, std::chrono::microseconds{limit_us / 3});
    if (!faults::mutant("watchdog_apart")) return;
    apart_ = std::jthread{[this](const std::stop_token& stop) {
        std::mutex mutex;
        std::condition_variable_any never;
        std::unique_lock lock{mutex};
        while (!never.wait_for(lock, stop, every_, [&] { return stop.stop_requested(); }))
            notify("WATCHDOG=1");
    }};
}

void Systemd::ready() {
    if (!is_ready_) notify("READY=1");
    is_ready_ = true;
}

void Systemd::tell(const std::string& line) { notify(status(line)); }

void Systemd::beat(const std::string& line) const {
    notify(status(line) + (has_watchdog_ ? "\nWATCHDOG=1" : ""));
}

void Systemd::stopping() { notify("STOPPING=1"); }

}  // namespace relay

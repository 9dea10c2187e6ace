// Listens to a channel of Redis on one connection of its own, and comes back whenever that breaks.
//
// Messages sent while it was not connected are lost: `heard` and `lost` tell when that may be. The
// calls come one at a time, from its thread, and must not throw. Ends with the object.
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <thread>

#include "domain/cache/redis.hpp"

namespace domain::cache {

class Subscription {
public:
    struct Calls {
        std::function<void()> heard;  // from now on every message arrives
        std::function<void()> lost;   // from now on none does
        std::function<void(const std::string&)> message;
        std::function<void()> idle;  // about once a second
    };

    // redis must outlive it.
    Subscription(Redis& redis, std::string channel, Calls calls);

private:
    void run(const std::stop_token& stop);
    void listen(const std::stop_token& stop, const std::string& address);

    Redis& redis_;
    const std::string channel_;
    const Calls calls_;
    std::jthread thread_;
};

}  // namespace domain::cache

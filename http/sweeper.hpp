// What a service does again and again besides serving: in a thread and on a connection of its own,
// until it goes. Every process of the service has one: whichever comes first does what there is.
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <thread>

#include "domain/pool.hpp"
#include "http/log.hpp"

namespace http {

class Sweeper {
public:
    // Returns whether there is more to do at once. What it throws is logged, and it is called
    // again.
    using Sweep = std::function<bool(domain::Pool&)>;

    // Sweeps at once, and then after about the interval. The log must outlive it.
    Sweeper(std::string service, const std::string& dsn, std::chrono::milliseconds interval,
            Log& log, Sweep sweep);

private:
    void run(const std::stop_token& stop);

    const std::string service_;
    domain::Pool pool_;
    const std::chrono::milliseconds interval_;
    Log& log_;
    const Sweep sweep_;
    std::jthread thread_;
};

// For what nobody waits for.
constexpr std::chrono::minutes leisurely{1};

}  // namespace http

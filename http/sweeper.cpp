#include "http/sweeper.hpp"

#include <condition_variable>
#include <mutex>
#include <random>
#include <utility>

namespace http {

Sweeper::Sweeper(std::string service, const std::string& dsn, std::chrono::milliseconds interval,
                 Log& log, Sweep sweep)
    : service_(std::move(service)),
      pool_({.dsn = dsn, .size = 1}),
      interval_(interval),
      log_(log),
      sweep_(std::move(sweep)),
      thread_([this](const std::stop_token& stop) { run(stop); }) {}

void Sweeper::run(const std::stop_token& stop) {
    std::minstd_rand random{std::random_device{}()};
    // Between a half and one and a half: processes that started together do not look together.
    std::uniform_int_distribution<long> pause{interval_.count() / 2, interval_.count() * 3 / 2};
    std::mutex mutex;
    std::condition_variable_any never;
    std::unique_lock lock{mutex};
    while (!stop.stop_requested()) {
        bool more = false;
        try {
            more = sweep_(pool_);
        } catch (const std::exception& error) {
            log_.warn("the sweep failed, and is tried again",
                      {{"service", service_}, {"error", error.what()}});
        }
        if (!more)
            never.wait_for(lock, stop, std::chrono::milliseconds{pause(random)},
                           [] { return false; });
    }
}

}  // namespace http

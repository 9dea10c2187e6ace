#include "relay/lease.hpp"

#include <spdlog/spdlog.h>

#include <condition_variable>
#include <mutex>
#include <optional>

#include "faults.hpp"
#include "relay/log_label.hpp"
#include "relay/position.hpp"
#include "relay/postgres.hpp"

namespace relay {
namespace {

using Clock = std::chrono::steady_clock;

}  // namespace

Lease::Lease(const Settings& settings, std::int64_t epoch, std::function<void()> on_loss)
    : settings_{settings},
      epoch_{epoch},
      on_loss_{std::move(on_loss)},
      thread_{[this](const std::stop_token& stop) { keep(stop); }} {}

void Lease::keep(const std::stop_token& stop) {
    label_log(settings_.log_label);
    std::mutex mutex;
    std::condition_variable_any pause;
    std::optional<Connection> connection;
    std::optional<PositionLog> log;
    auto renewed = Clock::now();
    while (!stop.stop_requested() && !lost_) {
        try {
            if (!connection) {
                connection.emplace(settings_.dsn, "postroom relay lease");
                // A renewal that takes this long is as good as none.
                connection->run("set statement_timeout = " +
                                std::to_string(settings_.lease.count() / 3));
                log.emplace(*connection, settings_.shard);
            }
            const auto asked = Clock::now();
            if (!log->renew(epoch_, settings_.lease) && !faults::mutant("no_fence")) {
                lost_ = true;
                break;
            }
            renewed = asked;
        } catch (const std::exception& error) {
            spdlog::warn("lease: {}", error.what());
            log.reset();
            connection.reset();
            lost_ = Clock::now() - renewed > settings_.lease * 2 / 3;
        }
        std::unique_lock lock{mutex};
        pause.wait_for(lock, stop, settings_.lease / 4, [] { return false; });
    }
    if (lost_) on_loss_();
}

}  // namespace relay

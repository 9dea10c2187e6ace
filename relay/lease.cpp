#include "relay/lease.hpp"

#include <spdlog/spdlog.h>

#include <condition_variable>
#include <mutex>
#include <optional>

#include "relay/position.hpp"
#include "relay/postgres.hpp"
#include "relay/table_source.hpp"

namespace relay {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::seconds measure_every{5};
constexpr std::chrono::seconds maintain_every{60};

// Counting stops at 10,000: a long backlog must not cost a scan of itself every few seconds.
constexpr auto pending_sql = R"(
select count(*), coalesce(extract(epoch from clock_timestamp() - min(r.created_at)), 0)::float8,
       coalesce((select last_value from outbox.event_seq_seq) - max(r.seq), 0), max(p.published)
from outbox.current_position p
left join lateral outbox.read(p.lower, p.lower_floor, null, p.last_seq, 10000) r on true
where p.shard = $1 and r.seq is not null)";

void measure(Connection& connection, int shard, Status& status) {
    const auto row = connection.run(pending_sql, {std::to_string(shard)});
    const auto counted = row.number(0, 0);
    status.pending.Set(
        static_cast<double>(counted < 10'000 ? counted : counted + row.number(0, 2)));
    status.oldest_age.Set(std::stod(std::string{row.at(0, 1)}));
}

}  // namespace

Lease::Lease(const Settings& settings, std::int64_t epoch, Status& status,
             std::function<void()> on_loss)
    : settings_{settings},
      epoch_{epoch},
      status_{status},
      on_loss_{std::move(on_loss)},
      thread_{[this](const std::stop_token& stop) { keep(stop); }} {}

void Lease::keep(const std::stop_token& stop) {
    std::mutex mutex;
    std::condition_variable_any pause;
    std::optional<Connection> connection;
    std::optional<PositionLog> log;
    auto renewed = Clock::now();
    Clock::time_point measured, maintained;
    while (!stop.stop_requested() && !lost_) {
        try {
            if (!connection) {
                connection.emplace(settings_.dsn, "postroom relay lease");
                prepare_reading(*connection);
                // A renewal that takes this long is as good as none.
                connection->run("set statement_timeout = " +
                                std::to_string(settings_.lease.count() / 3));
                log.emplace(*connection, settings_.shard);
            }
            const auto asked = Clock::now();
            if (!log->renew(epoch_, settings_.lease)) {
                lost_ = true;
                break;
            }
            renewed = asked;
            if (Clock::now() - measured > measure_every) {
                measure(*connection, settings_.shard, status_);
                measured = Clock::now();
            }
            if (Clock::now() - maintained > maintain_every) {
                connection->run("select outbox.maintain()");
                maintained = Clock::now();
            }
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

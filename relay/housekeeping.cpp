#include "relay/housekeeping.hpp"

#include <spdlog/spdlog.h>

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <string>

#include "relay/log_label.hpp"
#include "relay/postgres.hpp"
#include "relay/table_source.hpp"

namespace relay {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::seconds measure_every{5};
constexpr std::chrono::seconds maintain_every{60};
// A partition is attached under a lock that writers wait for: it gives up before they notice, and
// a scan before a stop does.
constexpr auto limits = "set lock_timeout = '100ms'; set statement_timeout = '5s'";

// Counting stops at 10,000: a long backlog must not cost a scan of itself every few seconds.
constexpr auto pending_sql = R"(
select count(*), coalesce(extract(epoch from clock_timestamp() - min(r.created_at)), 0)::float8,
       coalesce((pg_sequence_last_value('outbox.event_seq_seq') - max(r.seq)) / max(l.shards), 0)
from outbox.current_position p
join outbox.lease l on l.shard = p.shard
left join lateral outbox.read_window(p.lower, p.lower_floor, null, p.last_seq, 10000, l.shard, l.shards) r
    on r.available_at is null
where p.shard = $1 and r.seq is not null)";

// For outbox.explain(): only the relay knows how Kafka does.
constexpr auto trouble_sql = R"(
update outbox.lease set trouble = nullif($2, ''), trouble_at = clock_timestamp()
where shard = $1 and trouble is distinct from nullif($2, ''))";

// What an alert is made of; the tables that it looks into are small, or ordered by an index.
constexpr auto health_sql = R"(
select (select count(*) from (select from outbox.dead_letter d
                              where d.shard = $1 and d.resolved_at is null limit 10000) open),
       pg_notification_queue_usage(),
       coalesce(extract(epoch from clock_timestamp()
                - (select e.created_at from outbox.event e order by e.seq limit 1)), 0)::float8,
       extract(epoch from s.retain_for)::float8
from outbox.setting s)";

double real(const Result& rows, int column) { return std::stod(std::string{rows.at(0, column)}); }

void measure(Connection& connection, int shard, Status& status) {
    const auto row = connection.run(pending_sql, {std::to_string(shard)});
    const auto counted = row.number(0, 0);
    status.pending.Set(
        static_cast<double>(counted < 10'000 ? counted : counted + row.number(0, 2)));
    status.oldest_age.Set(real(row, 1));
    const auto health = connection.run(health_sql, {std::to_string(shard)});
    status.dead.Set(real(health, 0));
    status.notification_queue.Set(real(health, 1));
    status.history_age.Set(real(health, 2));
    status.retain_for.Set(real(health, 3));
}

// Runs what needs a lock that an open transaction may hold up: then there is another time.
std::optional<Result> attempt(Connection& connection, const std::string& sql) {
    try {
        return connection.run(sql);
    } catch (const PostgresError& error) {
        constexpr auto lock_not_available = "55P03", object_in_use = "55006", canceled = "57014";
        const auto& state = error.sqlstate();
        if (state != lock_not_available && state != object_in_use && state != canceled) throw;
        spdlog::info("{}: {}; tried again in a minute", sql, error.what());
        return std::nullopt;
    }
}

// One session of the outbox does it, whatever shards there are, for as long as it lasts.
bool keeps_house(Connection& connection) {
    return connection.run("select pg_try_advisory_lock(1886352244, 5)").at(0, 0) == "t";
}

// Each step in a transaction of its own, so that its locks last no longer than it.
void maintain(Connection& connection) {
    attempt(connection, "select outbox.make_partitions()");
    attempt(connection, "select outbox.trim_positions()");
    attempt(connection, "select outbox.rotate()");
    if (const auto dropped = attempt(connection, "select outbox.drop_history()");
        dropped && !dropped->null(0, 0))
        spdlog::info("dropped outbox.{}: published, and past its time", dropped->at(0, 0));
    attempt(connection, "select outbox.trim_default()");
}

}  // namespace

Housekeeping::Housekeeping(const Settings& settings, Status& status)
    : settings_{settings},
      status_{status},
      thread_{[this](const std::stop_token& stop) { keep(stop); }} {}

Housekeeping::~Housekeeping() {
    thread_.request_stop();
    thread_.join();
    // Another relay's to know, from now on.
    for (auto* gauge : {&status_.pending, &status_.oldest_age, &status_.dead,
                        &status_.notification_queue, &status_.history_age, &status_.retain_for})
        gauge->Set(0);
}

void Housekeeping::keep(const std::stop_token& stop) {
    label_log(settings_.log_label);
    std::mutex mutex;
    std::condition_variable_any pause;
    std::optional<Connection> connection;
    Clock::time_point maintained;
    while (!stop.stop_requested()) {
        try {
            if (!connection) {
                connection.emplace(settings_.dsn, "postroom relay housekeeping");
                prepare_reading(*connection);
                connection->run(limits);
            }
            if (Clock::now() - maintained > maintain_every) {
                maintained = Clock::now();
                if (keeps_house(*connection)) maintain(*connection);
            }
            connection->run(trouble_sql, {std::to_string(settings_.shard), status_.trouble()});
            measure(*connection, settings_.shard, status_);
        } catch (const std::exception& error) {
            spdlog::warn("housekeeping: {}", error.what());
            connection.reset();
        }
        std::unique_lock lock{mutex};
        pause.wait_for(lock, stop, measure_every, [] { return false; });
    }
}

}  // namespace relay

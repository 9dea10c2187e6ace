// postroom top: how each shard is, drawn anew every second.
#include <format>
#include <iostream>
#include <optional>
#include <thread>

#include "relay/operate.hpp"
#include "relay/screen.hpp"
#include "relay/table_text.hpp"

namespace relay {
namespace {

// $1 holds what each shard had published $2 seconds ago.
constexpr auto top_sql = R"(
with why as materialized (select * from outbox.explain())
select g.shard, coalesce(w.level, 'ok') as level,
       case when g.paused and g.leased then 'paused' when g.leased then 'leading' else 'no relay' end as state,
       g.pending, date_trunc('milliseconds', g.oldest_age) as oldest,
       round((g.published - ($1::jsonb ->> g.shard::text)::bigint) / $2::numeric)::bigint as "events/s", g.published,
       g.dead, date_trunc('second', clock_timestamp() - g.moved_at) as unmoved, g.holder, g.epoch, w.cause, w.detail
from outbox.lag g
left join lateral (
    select e.level, e.cause, e.detail from why e
    where coalesce(e.shard, g.shard) = g.shard and e.level <> 'ok'
    order by e.level = 'warning', e.cause limit 1) w on true
order by g.shard)";

class Shards {
public:
    explicit Shards(Connection connection) : connection_{std::move(connection)} {
        // Whoever watches wants to leave, whatever the database does.
        connection_.run("set statement_timeout = '10s'");
    }
    Result look() {
        const auto now = std::chrono::steady_clock::now();
        const std::chrono::duration<double> since = now - looked_;
        auto rows = connection_.run(top_sql, {published_, std::format("{:.3f}", since.count())});
        looked_ = now;
        const int published = PQfnumber(rows.get(), "published");
        published_ = "{";
        for (int row = 0; row < rows.rows(); ++row)
            published_ += std::format("{}\"{}\": {}", row == 0 ? "" : ", ", rows.at(row, 0),
                                      rows.at(row, published));
        published_ += "}";
        return rows;
    }

private:
    Connection connection_;
    std::string published_ = "{}";
    std::chrono::steady_clock::time_point looked_;
};

}  // namespace

void Operate::add_top(CLI::App& app) {
    auto& command = add(app, "top", "How each shard is, live; q ends it", "top --every 5",
                        [this] { return top(); });
    command.add_option("--every", every_, "seconds from one look to the next")
        ->check(CLI::Range(0.1, 3600.0))
        ->capture_default_str();
    command.add_flag("--once", once_, "look twice, print the second look, and end");
}

int Operate::top() const {
    const std::chrono::milliseconds every{static_cast<long>(every_ * 1000)};
    if (!once_ && format_ == "json")
        throw std::invalid_argument{"JSON is for programs, which look once: give --once"};
    std::optional<Shards> shards{connect()};
    if (once_) {
        shards->look();
        std::this_thread::sleep_for(every);
        print(shards->look());
        return 0;
    }
    Screen screen;
    do {
        std::string page;
        try {
            if (!shards) shards.emplace(connect());
            page = as_table(shards->look());
        } catch (const PostgresError& error) {
            shards.reset();
            page = std::format("{}\n", error.plain());
        }
        screen.draw(
            std::format("postroom top  {:%F %T} UTC  every {} s  q ends it\n\n{}",
                        std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now()),
                        every_, page));
    } while (screen.wait(every));
    return 0;
}

}  // namespace relay

#include "relay/requests.hpp"

#include <string>

#include "faults.hpp"

namespace relay {
namespace {

constexpr std::chrono::milliseconds look_every{250};
constexpr auto asked_sql = R"(
select exists (select from outbox.paused a where a.shard = $1::int
               and (a.upto is null or a.stopped_at is not null or outbox.drain_left(a.shard, 1) = 0)),
       exists (select from outbox.retry where shard = $1::int),
       exists (select from outbox.replay where shard = $1::int and state = 'running'),
       (select max(n) from outbox.position where shard = $1::int),
       (select ceil(extract(epoch from greatest(least(d.due_at - statement_timestamp(), '1 day'), '0')) * 1000)::bigint
        from outbox.delayed d where d.shard = $1::int order by d.due_at limit 1),
       exists (select from outbox.paused where shard = $1::int and stopped_at is null))";

}  // namespace

Requests::Requests(Connection& connection, int shard) : connection_{connection}, shard_{shard} {
    connection_.prepare("asked", asked_sql);
}

const Requests::Asked& Requests::look() {
    const auto now = Clock::now();
    if (now - looked_ > look_every) {
        const auto row = connection_.run_prepared("asked", {std::to_string(shard_)});
        asked_ = {.paused = row.at(0, 0) == "t",
                  .retries = row.at(0, 1) == "t",
                  .replays = row.at(0, 2) == "t",
                  .due = std::nullopt,
                  .position = row.number(0, 3),
                  .pausing = row.at(0, 5) == "t"};
        if (!row.null(0, 4)) asked_.due = now + std::chrono::milliseconds{row.number(0, 4)};
        if (faults::mutant("drain_at_once")) asked_.paused = asked_.paused || asked_.pausing;
        looked_ = now;
    }
    return asked_;
}

}  // namespace relay

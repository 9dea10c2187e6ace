// What the operator's commands and the admin port both ask of the schema.
#pragma once

namespace relay {

inline constexpr auto status_sql = R"(
select shard, level, causes, holder, leased, paused, pending, date_trunc('milliseconds', oldest_age) as oldest_age,
       dead, published, moved_at
from outbox.status)";
inline constexpr auto explain_sql = R"(
select * from outbox.explain(make_interval(secs => $1::float8))
order by level = 'ok', level = 'warning', cause)";
inline constexpr auto pending_sql = R"(
select seq, id, aggregatetype, aggregateid as key, type, created_at, date_trunc('milliseconds', age) as age
from outbox.pending order by seq limit $1::bigint)";
inline constexpr auto pause_sql = "select * from outbox.pause($1, $2::int)";
inline constexpr auto drain_sql = "select * from outbox.drain(coalesce($1, 'drain'), $2::int)";
inline constexpr auto resume_sql = "select * from outbox.resume($1::int)";

}  // namespace relay

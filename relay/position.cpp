#include "relay/position.hpp"

#include <algorithm>
#include <format>
#include <nlohmann/json.hpp>
#include <utility>

#include "faults.hpp"

namespace relay {
namespace {

constexpr auto record_sql = R"(
insert into outbox.position (shard, n, epoch, system_identifier, timeline,
                             lower, lower_floor, upper, upper_floor, last_seq, published,
                             lsn, lsn_row, last_row)
select $1::int, $2::bigint, $3::bigint, $4::bigint, $5::int,
       $6::pg_snapshot, $7::bigint, $8::pg_snapshot, $9::bigint, $10::bigint, $11::bigint,
       $12::pg_lsn, $13::bigint, $14::bigint
from set_config('synchronous_commit', $15, true)
returning pg_current_wal_flush_lsn()::text)";

// A stream's window needs no record of its own: the slot gives the same rows again.
bool in_stream(const Position& position) { return position.lower.stream.has_value(); }

// The point that a record of the position holds, with the rows of its window that are published.
std::optional<StreamPoint> point_of(const Position& position) {
    if (!in_stream(position)) return position.upper ? position.upper->stream : std::nullopt;
    auto point = *position.lower.stream;
    point.row = std::max(point.row, position.last_place);
    return point;
}

// And its way back.
void place_in_stream(Position& position, const StreamPoint& point) {
    (position.upper ? *position.upper : position.lower).stream = point;
}

std::string text(std::chrono::milliseconds duration) {
    return std::to_string(duration.count()) + " milliseconds";
}

}  // namespace

std::string to_text(const StreamPoint& point) {
    return std::format("{:X}/{:X}", point.lsn >> 32U, point.lsn & 0xFFFFFFFFU);
}

PositionLog::PositionLog(Connection& connection, int shard)
    : connection_{connection}, shard_{shard} {
    const auto here = connection_.run(
        "select i.system_identifier, i.timeline, d.oid "
        "from outbox.identity() i, pg_database d where d.datname = current_database()");
    system_identifier_ = here.at(0, 0);
    timeline_ = here.at(0, 1);
    scope_ = system_identifier_ + "-" + std::string{here.at(0, 2)} + "-" + std::to_string(shard_);
    const auto there = connection_.run(
        "select system_identifier, timeline, lower from outbox.current_position where shard = $1",
        {std::to_string(shard_)});
    if (there.rows() == 0)
        throw Fenced{"there is no shard " + std::to_string(shard_) + " any more"};
    const bool here_too = there.at(0, 0) == system_identifier_ && there.at(0, 1) == timeline_;
    if (!here_too && !faults::mutant("no_timeline_check")) {
        throw WrongSystem{
            "the position was recorded on system " + std::string{there.at(0, 0)} + ", timeline " +
            std::string{there.at(0, 1)} + ", but this is system " + system_identifier_ +
            ", timeline " + timeline_ +
            ": after a failover, restore or dump the same transaction ids may stand for other "
            "events, so "
            "nothing is published. Decide what to repeat, then run: select outbox.rebase(" +
            std::to_string(shard_) +
            ", SNAPSHOT); '1:1:' publishes all of the history again, "
            "pg_current_snapshot() skips what is there" +
            (there.at(0, 0) == system_identifier_
                 ? ", '" + std::string{there.at(0, 2)} +
                       "' goes on from the position as this server knows it"
                 : "")};
    }
}

std::optional<Position> PositionLog::acquire(const std::string& holder,
                                             std::chrono::milliseconds ttl) {
    if (faults::mutant("wall_clock_lease")) {
        const auto now =
            std::chrono::system_clock::now().time_since_epoch() / std::chrono::seconds{1};
        connection_.run(
            "update outbox.lease set expires_at = '-infinity' where expires_at < to_timestamp($1)",
            {std::to_string(now)});
    }
    std::optional<Result> answer;
    try {
        answer = connection_.run(
            "select n, epoch, lower, lower_floor, upper, upper_floor, last_seq, published, "
            "lsn - '0/0', lsn_row, last_row "
            "from outbox.acquire_lease($1, $2, $3::interval)",
            {std::to_string(shard_), holder, text(ttl)});
    } catch (const PostgresError& error) {
        // The former holder's last record came in between.
        if (!error.is_unique_violation()) throw;
        return std::nullopt;
    }
    const Result& row = *answer;
    if (row.rows() == 0) return std::nullopt;
    // A change of their number after this finds the epoch taken.
    const auto shards = connection_.run(
        "select shards, pg_current_wal_flush_lsn() from outbox.lease where shard = $1",
        {std::to_string(shard_)});
    wal_ = shards.at(0, 1);
    Position position{.shard = shard_,
                      .shards = static_cast<int>(shards.number(0, 0)),
                      .n = row.number(0, 0),
                      .epoch = row.number(0, 1),
                      .lower = {std::string{row.at(0, 2)}, row.number(0, 3), std::nullopt},
                      .upper = std::nullopt,
                      .last_place = row.number(0, 6),
                      .published = row.number(0, 7)};
    if (!row.null(0, 4))
        position.upper = Edge{std::string{row.at(0, 4)}, row.number(0, 5), std::nullopt};
    if (!row.null(0, 8))
        place_in_stream(position, {.lsn = static_cast<std::uint64_t>(row.number(0, 8)),
                                   .base = row.number(0, 9),
                                   .row = row.number(0, 10)});
    return position;
}

std::string PositionLog::to_record(const Position& position) const {
    nlohmann::json record{{"system_identifier", system_identifier_},
                          {"timeline", timeline_},
                          {"epoch", position.epoch},
                          {"lower", position.lower.snapshot},
                          {"lower_floor", position.lower.floor},
                          {"last_seq", in_stream(position) ? 0 : position.last_place},
                          {"published", position.published},
                          {"wal", wal_}};
    if (const auto point = point_of(position))
        record["stream"] = {point->lsn, point->base, point->row};
    if (position.upper && !in_stream(position)) {
        record["upper"] = position.upper->snapshot;
        record["upper_floor"] = position.upper->floor;
    }
    return record.dump();
}

std::optional<Position> PositionLog::from_record(const std::string& record, std::int64_t epoch) {
    try {
        const auto object = nlohmann::json::parse(record);
        Position position{.shard = shard_,
                          .shards = 1,
                          .n = 0,
                          .epoch = object.at("epoch"),
                          .lower = {object.at("lower"), object.at("lower_floor"), std::nullopt},
                          .upper = std::nullopt,
                          .last_place = object.at("last_seq"),
                          .published = object.at("published")};
        if (object.contains("upper"))
            position.upper = Edge{object.at("upper"), object.at("upper_floor"), std::nullopt};
        if (object.contains("stream")) {
            const auto& point = object.at("stream");
            place_in_stream(position, {point.at(0), point.at(1), point.at(2)});
        }
        if (object.at("system_identifier") != system_identifier_ ||
            object.at("timeline") != timeline_)
            return std::nullopt;
        const std::string wal = object.value("wal", "0/0");
        const auto here = connection_.run(
            "select rebased, pg_current_wal_insert_lsn() < $2::pg_lsn from outbox.lease "
            "where shard = $1",
            {std::to_string(shard_), wal});
        const auto rebased = here.number(0, 0);
        // The first one after a rebase has no predecessor that may have gone on from there.
        if (position.epoch < rebased || rebased + 1 == epoch) return std::nullopt;
        const bool taken_back = here.at(0, 1) == "t" || position.epoch >= epoch;
        if (!taken_back || faults::mutant("trust_kafka")) return position;
        throw WrongSystem{
            "Kafka holds a position of epoch " + std::to_string(position.epoch) + ", WAL " + wal +
            ", which this server has yet to reach: it was taken back to an earlier state, as by a "
            "restored volume or base backup. Events that were published since may be gone, and "
            "their transaction ids will stand for others, so nothing is published. Decide what to "
            "repeat, then run: postroom rebase --shard " +
            std::to_string(shard_) + " --from recorded"};
    } catch (const nlohmann::json::exception& error) {
        throw std::runtime_error{"no position: " + record + ": " + error.what()};
    }
}

std::optional<Edge> PositionLog::barrier(std::int64_t valid_floor) {
    const auto row = connection_.run("select snapshot, floor from outbox.barrier($1)",
                                     {std::to_string(valid_floor)});
    if (row.null(0, 0)) return std::nullopt;
    return Edge{
        .snapshot = std::string{row.at(0, 0)}, .floor = row.number(0, 1), .stream = std::nullopt};
}

bool PositionLog::arrive(const Position& position) {
    return connection_
               .run("select outbox.arrive($1, $2, $3::pg_snapshot)",
                    {std::to_string(shard_), std::to_string(position.epoch),
                     position.lower.snapshot})
               .at(0, 0) == "t";
}

bool PositionLog::renew(std::int64_t epoch, std::chrono::milliseconds ttl) {
    return connection_
               .run("select outbox.renew_lease($1, $2, $3::interval)",
                    {std::to_string(shard_), std::to_string(epoch), text(ttl)})
               .at(0, 0) == "t";
}

void PositionLog::release(std::int64_t epoch) {
    connection_.run("select outbox.release_lease($1, $2)",
                    {std::to_string(shard_), std::to_string(epoch)});
}

void PositionLog::tell_stopped(std::int64_t epoch) {
    connection_.run("select outbox.stopped($1, $2)",
                    {std::to_string(shard_), std::to_string(epoch)});
}

void PositionLog::record(Position& position, Durability durability) {
    std::optional<std::string> upper, upper_floor, lsn, lsn_row, last_row;
    if (const auto point = point_of(position)) {
        lsn = to_text(*point);
        lsn_row = std::to_string(point->base);
        last_row = std::to_string(point->row);
    }
    if (position.upper && !in_stream(position)) {
        upper = position.upper->snapshot;
        upper_floor = std::to_string(position.upper->floor);
    }
    try {
        if (!std::exchange(prepared_, true)) connection_.prepare("record", record_sql);
        const auto recorded = connection_.run_prepared(
            "record", {std::to_string(shard_), std::to_string(position.n + 1),
                       std::to_string(position.epoch), system_identifier_, timeline_,
                       position.lower.snapshot, std::to_string(position.lower.floor), upper,
                       upper_floor, std::to_string(in_stream(position) ? 0 : position.last_place),
                       std::to_string(position.published), lsn, lsn_row, last_row,
                       durability == Durability::flushed ? "on" : "off"});
        wal_ = recorded.at(0, 0);
    } catch (const PostgresError& error) {
        if (!error.is_unique_violation()) throw;
        if (faults::mutant("no_fence")) {
            position.n = connection_.run("select max(n) from outbox.position").number(0, 0);
            record(position, durability);
            return;
        }
        throw Fenced{"another relay has taken shard " + std::to_string(shard_)};
    }
    ++position.n;
}

}  // namespace relay

#include "relay/table_source.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <stdexcept>
#include <utility>

#include "faults.hpp"
#include "relay/tracing.hpp"

namespace relay {
namespace {

// By the function, which locks the sequence's page. A plain SELECT does not: it may see the value
// that nextval logs ahead, up to 32 more than was drawn, and as a floor that hides events (decision
// 0010).
constexpr auto floor_sql = "select coalesce(pg_sequence_last_value('outbox.event_seq_seq'), 0)";

// The first row is not an event: it carries the floor for later polls, this statement's snapshot,
// whether the number of shards is to change, whether all that the snapshot shows is flushed, and
// which standbys have to have it, too.
constexpr auto poll_sql = R"(
select coalesce(pg_sequence_last_value('outbox.event_seq_seq'), 0), null::uuid, pg_current_snapshot()::text,
       (select 'resharding' from outbox.resharding),
       case when pg_current_wal_insert_lsn() <= pg_current_wal_flush_lsn() then 'flushed' end,
       null::jsonb, null::bytea, nullif(current_setting('synchronous_standby_names'), ''), null::jsonb,
       null::timestamptz, null::timestamptz
union all
select seq, id, aggregatetype, aggregateid, type, payload, body, content_type, headers, available_at, )";
constexpr auto poll_source = R"(
from outbox.read_window($1::pg_snapshot, $2::bigint, null, 0, $3::int)";

// What the snapshot difference replaces; each loses or delays events, as the fault tests show.
constexpr auto mutant_sql = R"(
select coalesce(pg_sequence_last_value('outbox.event_seq_seq'), 0), null::uuid, pg_current_snapshot()::text, null, null,
       null::jsonb, null::bytea, null, null::jsonb, null::timestamptz, null::timestamptz
union all
(select seq, id, aggregatetype, aggregateid, type, payload, body, content_type, headers, available_at,
        null::timestamptz
 from outbox.event where $1::pg_snapshot is not null and )";

// Twelve bytes an event, and 45 ns of the server's time, that few need.
const char* append_time(bool wanted) {
    return wanted || Tracing::active() != nullptr ? "created_at" : "null::timestamptz";
}

// A single shard is read without a look at the keys.
bool divided(const Position& at) { return at.shards > 1 && !faults::mutant("shard_by_nothing"); }

std::string of_shard(const Position& at) {
    if (!divided(at)) return {};
    return ", " + std::to_string(at.shard) + ", " + std::to_string(at.shards);
}

std::string poll_statement(const Position& at, bool with_time) {
    if (faults::mutant("id_gt_last"))
        return std::string{mutant_sql} + "seq > $2::bigint order by seq limit $3::int)";
    if (faults::mutant("ignore_snapshots"))
        return std::string{mutant_sql} +
               "seq > $2::bigint and tx >= pg_snapshot_xmax($1::pg_snapshot) order by seq limit "
               "$3::int)";
    if (faults::mutant("xmin_gate"))
        return std::string{mutant_sql} +
               "seq > 0 * $2::bigint and tx >= pg_snapshot_xmin($1::pg_snapshot) and "
               "tx < pg_snapshot_xmin(pg_current_snapshot()) order by seq limit $3::int)";
    return std::string{poll_sql} + append_time(with_time) + poll_source + of_shard(at) + ")";
}

constexpr std::size_t max_poll_bytes = 8U << 20U;
constexpr std::chrono::milliseconds floor_follows{1000};

// A chunk of a window is a statement of its own, so that no snapshot holds vacuum back for much
// longer than this. More of them would cost: some 15 ms each, in which the server and we wait for
// one another.
class Chunk {
public:
    [[nodiscard]] int rows() const { return rows_; }
    // Call after that many, for the next.
    void ended() {
        const auto now = Clock::now();
        const double took = Seconds{now - std::exchange(began_, now)}.count();
        rows_ = static_cast<int>(std::clamp(rows_ * wanted.count() / took, least, most));
    }

private:
    using Clock = std::chrono::steady_clock;
    using Seconds = std::chrono::duration<double>;
    static constexpr Seconds wanted{2};
    static constexpr double least = 10'000;
    static constexpr double most = 2'000'000;
    int rows_ = 50'000;
    Clock::time_point began_ = Clock::now();
};

}  // namespace

void prepare_reading(Connection& connection) {
    connection.run(
        "set enable_seqscan = off; set enable_bitmapscan = off; set "
        "max_parallel_workers_per_gather = 0; "
        "set plan_cache_mode = force_generic_plan; set jit = off; set synchronous_commit = on; "
        "set idle_in_transaction_session_timeout = 0; "
        "set default_transaction_isolation = 'read committed'");
    if (faults::mutant("scan_all"))
        connection.run("set enable_indexscan = off; set enable_seqscan = on");
}

BatchBuilder::Fields fields_of(const Result& rows, int row) {
    BatchBuilder::Fields fields;
    for (std::size_t c = 0; c < fields.size(); ++c) {
        const int column = static_cast<int>(c);
        if (!rows.null(row, column))
            fields[c] = {rows.at(row, column).data(), rows.at(row, column).size()};
    }
    return fields;
}

std::string chunk_query(const Position& window, std::int64_t after_seq, int rows, bool with_time) {
    // COPY takes no parameters. Snapshots come from the server and hold digits, colons and commas
    // only.
    const auto& [lower, floor, _] = window.lower;
    const auto& upper = window.upper->snapshot;
    const auto after = std::to_string(after_seq);
    auto sql =
        "select seq, id, aggregatetype, aggregateid, type, payload, body, content_type, headers, "
        "available_at, " +
        std::string{append_time(with_time)};
    if (after_seq < floor)
        return sql + " from outbox.read_window('" + lower + "', " + std::to_string(floor) + ", '" +
               upper + "', " + after + ", " + std::to_string(rows) + of_shard(window) + ")";
    // What read_window reads above its floor, without 0.3 µs a row for putting it together with
    // what lies below.
    sql += " from outbox.event where seq > " + after + " and not pg_visible_in_snapshot(tx, '" +
           lower + "') and pg_visible_in_snapshot(tx, '" + upper + "')";
    if (divided(window))
        sql += " and outbox.shard_of(aggregateid, " + std::to_string(window.shards) +
               ") = " + std::to_string(window.shard);
    return sql + " order by seq limit " + std::to_string(rows);
}

TableSource::TableSource(Connection& connection, std::string dsn, bool with_time)
    : connection_{connection},
      dsn_{std::move(dsn)},
      with_time_{with_time},
      newest_{connection.run(floor_sql).number(0, 0)} {}

Poll TableSource::poll(const Position& at, std::size_t max_rows) {
    const Edge& lower = at.lower;
    if (lower.stream)
        throw WrongSystem{
            "the position is a logical source's, which has published some events in another order "
            "than the table's. To go on by the table, and repeat the last of them, run: postroom "
            "rebase --shard " +
            std::to_string(at.shard) + " --from recorded"};
    if (!std::exchange(prepared_, true))
        connection_.prepare("poll", poll_statement(at, with_time_));
    Poll poll;
    poll.complete = true;
    BatchBuilder builder;
    std::size_t bytes = 0;
    const auto add = [&](const Result& rows, int row) {
        if (poll.rows == max_rows || bytes > max_poll_bytes) return false;
        const auto fields = fields_of(rows, row);
        for (const auto& field : fields) bytes += field.size;
        builder.add(fields);
        ++poll.rows;
        if (builder.full()) poll.batches.push_back(builder.take());
        return true;
    };
    bool first = true;
    // One more row than wanted tells whether there are more.
    connection_.stream_prepared(
        "poll", {lower.snapshot, std::to_string(lower.floor), std::to_string(max_rows + 1)},
        [&](const Result& rows) {
            int row = 0;
            if (std::exchange(first, false)) {
                std::memcpy(&newest_, rows.at(row, 0).data(), sizeof newest_);
                newest_ = std::byteswap(newest_);
                // Whoever drew a seq up to lower's floor is visible in this later snapshot, or
                // listed.
                poll.upper = {.snapshot = std::string{rows.at(row, 2)},
                              .floor = std::max(floor_, lower.floor),
                              .stream = std::nullopt};
                poll.resharding = !rows.null(row, 3);
                poll.on_disk = !rows.null(row, 4) &&
                               (rows.null(row, 7) || faults::mutant("published_before_standbys"));
                if (faults::mutant("early_floor")) floor_ = newest_;
                ++row;
            }
            for (; poll.complete && row < rows.rows(); ++row) poll.complete = add(rows, row);
            return poll.complete || poll.rows == max_rows;  // then no more come
        });
    if (!poll.complete) {
        poll.batches.clear();
        poll.rows = 0;
        return poll;
    }
    if (!builder.empty()) poll.batches.push_back(builder.take());
    poll.drained = poll.rows == 0;
    if (poll.upper.floor > lower.floor) {
        // Else each poll would look through the last window again.
        poll.record_after = std::chrono::milliseconds::zero();
    } else if (newest_ > lower.floor) {
        poll.record_after = floor_follows;  // as the record is a transaction of ours
    }
    std::int64_t last_seq = 0;
    for (const auto& batch : poll.batches) {
        if (batch->rows.front().seq <= last_seq)
            throw std::logic_error{"the outbox was not read in the order of seq"};
        last_seq = batch->rows.back().seq;
    }
    return poll;
}

void TableSource::recorded(const Position&) { floor_ = newest_; }

std::optional<Edge> TableSource::walk(const Position& at, const Walk& steps) {
    Connection reader{dsn_, "postroom relay reader"};
    prepare_reading(reader);
    auto after_seq = at.last_place;
    for (Chunk chunk;; chunk.ended()) {
        reader.start_copy("copy (" + chunk_query(at, after_seq, chunk.rows(), with_time_) +
                          ") to stdout (format binary)");
        BatchBuilder builder;
        BatchBuilder::Fields fields;
        std::string_view row;
        int rows = 0;
        const auto hand_over = [&] {
            auto batch = builder.take();
            after_seq = batch->rows.back().seq;
            return steps.take(std::move(batch));
        };
        for (;;) {
            const auto answer = reader.copy_row(row);
            if (answer == Connection::Copy::end) break;
            if (answer == Connection::Copy::none_yet) {
                if (!steps.wait()) return std::nullopt;
            } else if (parse_copy_row(row, fields)) {
                builder.add(fields);
                ++rows;
                if (builder.full() && !hand_over()) return std::nullopt;
            }
        }
        if (!builder.empty() && !hand_over()) return std::nullopt;
        if (rows < chunk.rows()) return at.upper;
    }
}

}  // namespace relay

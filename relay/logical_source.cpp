#include "relay/logical_source.hpp"

#include <algorithm>
#include <stdexcept>
#include <string>
#include <utility>

#include "faults.hpp"

namespace relay {
namespace {

using namespace std::chrono_literals;
constexpr std::size_t max_waiting_bytes = 8U << 20U;
constexpr std::size_t window_rows = 50'000;  // then a walk ends, and the slot may move on
constexpr auto keep_up_every = 250ms;        // while there are events
constexpr auto idle_every = 5s;              // else: the slot holds back no more WAL than this

// The message makes it a transaction that writes, with an xid drawn after the seq was read (see
// TableSource's floor), and its commit flushes the WAL, with all that was recorded before.
constexpr auto flush_sql = R"(
select coalesce(pg_sequence_last_value('outbox.event_seq_seq'), 0),
       pg_logical_emit_message(true, 'postroom', ''))";
// The snapshot is taken before the LSN is read.
constexpr auto mark_sql = "select pg_current_snapshot(), pg_current_wal_insert_lsn() - '0/0'";

}  // namespace

LogicalSource::LogicalSource(const Settings& settings, Connection& connection)
    : connection_{connection},
      table_{connection, settings.dsn, needs_time(settings.kafka.format)},
      slot_{settings, connection} {}

Poll LogicalSource::poll(const Position& at, std::size_t max_rows) {
    if (at.shards > 1)
        throw std::invalid_argument{
            "relay.source = logical publishes an outbox of one shard, and "
            "this one has " +
            std::to_string(at.shards) + ": set relay.source = table, or run: postroom shards 1"};
    if (!at.lower.stream) return make_slot(at);
    if (state_ != State::streaming) start(at.lower);
    const auto whole = [&] { return faults::mutant("whole_transactions") && in_transaction_; };
    while (whole() || (waiting_rows_ <= max_rows && waiting_bytes_ < max_waiting_bytes))
        if (!receive() && !whole()) break;
    if (faults::mutant("confirm_at_read")) slot_.confirm(at_.lsn, at_.lsn);
    keep_up();
    Poll poll;
    poll.on_disk = true;  // only what is flushed is decoded
    poll.complete = waiting_rows_ <= max_rows && waiting_bytes_ < max_waiting_bytes;
    poll.upper = poll.complete ? edge() : at.lower;
    if (!poll.complete) return poll;
    poll.rows = std::exchange(waiting_rows_, 0);
    waiting_bytes_ = 0;
    if (!builder_.empty()) ready_.push_back(builder_.take());
    for (auto& batch : ready_) poll.batches.push_back(std::move(batch));
    ready_.clear();
    poll.drained = poll.rows == 0 && !in_transaction_ && !unmarked_ && !next_mark_;
    if (mark_.snapshot != at.lower.snapshot) poll.record_after = 0ms;
    return poll;
}

Poll LogicalSource::make_slot(const Position& at) {
    if (state_ != State::making) {
        slot_.make();
        state_ = State::making;
    }
    Poll poll;
    poll.upper = at.lower;
    const auto made = slot_.made();
    poll.complete = !made;
    if (!made) return poll;
    state_ = State::idle;
    poll.upper = {.snapshot = made->snapshot,
                  .floor = at.lower.floor,  // whoever drew a seq up to it is older than the slot
                  .stream = StreamPoint{.lsn = made->lsn, .base = 0, .row = 0}};
    return poll;
}

void LogicalSource::start(const Edge& lower) {
    slot_.start(*lower.stream);
    state_ = State::streaming;
    skip_ = lower.stream->row;
    at_ = {.lsn = lower.stream->lsn, .base = lower.stream->base, .row = lower.stream->base};
    mark_ = {.snapshot = lower.snapshot, .floor = lower.floor, .lsn = 0};
    unmarked_ = true;
}

std::optional<Edge> LogicalSource::walk(const Position& at, const Walk& steps) {
    if (!at.lower.stream) {
        if (!table_.walk(at, steps)) return std::nullopt;
        return at.upper;
    }
    const auto hand_over = [&](std::unique_ptr<Batch> batch) {
        waiting_rows_ -= batch->rows.size();
        waiting_bytes_ -= std::min(waiting_bytes_, batch->bytes);
        return steps.take(std::move(batch));
    };
    const auto last = at_.row + static_cast<std::int64_t>(window_rows);
    for (bool waited = false; at_.row < last;) {
        while (!ready_.empty()) {
            auto batch = std::move(ready_.front());
            ready_.pop_front();
            if (!hand_over(std::move(batch))) return std::nullopt;
        }
        if (receive()) {
            waited = false;
        } else {
            if (std::exchange(waited, true)) break;
            if (!steps.wait()) return std::nullopt;
        }
    }
    if (!builder_.empty()) ready_.push_back(builder_.take());
    while (!ready_.empty()) {
        auto batch = std::move(ready_.front());
        ready_.pop_front();
        if (!hand_over(std::move(batch))) return std::nullopt;
    }
    return edge();
}

// One message, if it has arrived.
bool LogicalSource::receive() {
    std::string_view message;
    if (!slot_.next(message)) return false;
    const auto streamed = pgoutput_.parse(message);
    if (const auto* row = std::get_if<Inserted>(&streamed)) {
        add(row->fields);
    } else if (std::holds_alternative<Began>(streamed)) {
        in_transaction_ = true;
    } else if (const auto* commit = std::get_if<Committed>(&streamed)) {
        in_transaction_ = false;
        at_ = {.lsn = commit->end, .base = at_.row, .row = at_.row};
    } else if (const auto* keepalive = std::get_if<Keepalive>(&streamed)) {
        // Inside a transaction it tells of WAL that the transaction's own commit lies behind.
        if (!in_transaction_ && keepalive->lsn > at_.lsn)
            at_ = {.lsn = keepalive->lsn, .base = at_.row, .row = at_.row};
        if (keepalive->reply_wanted) slot_.confirm(at_.lsn, confirmed_);
    }
    return true;
}

void LogicalSource::add(const BatchBuilder::Fields& fields) {
    if (++at_.row <= skip_) return;
    unmarked_ = true;
    for (const auto& field : fields) waiting_bytes_ += field.size;
    ++waiting_rows_;
    builder_.add(fields, at_.row);
    if (builder_.full()) ready_.push_back(builder_.take());
}

// Lets the slot and the snapshot follow what is published.
void LogicalSource::keep_up() {
    if (next_mark_ && !in_transaction_ && at_.lsn >= next_mark_->lsn) {
        mark_ = std::move(*next_mark_);
        next_mark_.reset();
    }
    const auto now = Clock::now();
    if (now - kept_up_ < (unmarked_ ? keep_up_every : Clock::duration{idle_every})) return;
    kept_up_ = now;
    const auto recorded = recorded_;
    const auto newest = connection_.run(flush_sql).number(0, 0);
    if (!faults::mutant("confirm_at_read")) confirmed_ = std::max(confirmed_, recorded);
    slot_.confirm(at_.lsn, confirmed_);
    if (next_mark_) return;  // a long transaction is on its way
    const auto here = connection_.run(mark_sql);
    next_mark_ = Mark{.snapshot = std::string{here.at(0, 0)},
                      .floor = newest,
                      .lsn = static_cast<std::uint64_t>(here.number(0, 1))};
    unmarked_ = false;
}

void LogicalSource::recorded(const Position& at) {
    if (at.lower.stream) recorded_ = at.lower.stream->lsn;
}

Edge LogicalSource::edge() const {
    return {
        .snapshot = mark_.snapshot,
        .floor = mark_.floor,
        .stream = StreamPoint{.lsn = at_.lsn, .base = at_.base, .row = std::max(at_.row, skip_)}};
}

}  // namespace relay

#include "relay/slot.hpp"

#include <spdlog/spdlog.h>

#include <stdexcept>

#include "faults.hpp"
#include "relay/pgoutput.hpp"

namespace relay {
namespace {

constexpr auto ability_sql = R"(
select current_setting('wal_level'), session_user, r.rolreplication or r.rolsuper,
       coalesce(nullif($1, ''), format('postroom_%s_%s', d.oid, $2::int))
from pg_roles r, pg_database d where r.rolname = session_user and d.datname = current_database())";

constexpr auto leftover_sql = R"(
select s.slot_name from pg_replication_slots s join pg_database d on d.datname = s.database
where d.datname = current_database() and not s.active
  and s.slot_name = coalesce(nullif($1, ''), format('postroom_%s_%s', d.oid, $2::int)))";

constexpr auto slot_sql = R"(
select plugin = 'pgoutput' and database = current_database(), confirmed_flush_lsn - '0/0',
       wal_status = 'lost' or invalidation_reason is not null, active_pid
from pg_replication_slots where slot_name = $1)";

// A reader is told to end, and waited for.
constexpr auto end_reader_sql = "select pg_terminate_backend($1, 5000)";
// A slot's snapshot may end before it begins, when nothing runs: as text, that is none.
constexpr auto snapshot_sql = R"(
select format('%s:%s:%s', pg_snapshot_xmin(s), greatest(pg_snapshot_xmin(s), pg_snapshot_xmax(s)),
              (select string_agg(x::text, ',') from pg_snapshot_xip(s) x))
from pg_current_snapshot() s)";
constexpr auto tell_sql =
    "update outbox.lease set slot = $2::name where shard = $1 and slot is distinct from $2::name";
constexpr auto drop_sql = "select pg_drop_replication_slot($1)";

}  // namespace

void warn_of_leftover(const Settings& settings, Connection& connection) {
    const auto left = connection.run(leftover_sql, {settings.slot, std::to_string(settings.shard)});
    if (left.rows() == 0) return;
    spdlog::warn(
        "slot {0} holds WAL back, though this relay reads the table. Unless another is to go on "
        "with it: select pg_drop_replication_slot('{0}')",
        left.at(0, 0));
}

Slot::Slot(const Settings& settings, Connection& connection)
    : settings_{settings}, connection_{connection} {
    const auto able = connection_.run(ability_sql, {settings.slot, std::to_string(settings.shard)});
    if (able.at(0, 0) != "logical")
        throw std::invalid_argument{"relay.source = logical needs wal_level = logical, but it is " +
                                    std::string{able.at(0, 0)} +
                                    ": alter system set wal_level = logical, and restart "
                                    "PostgreSQL"};
    if (able.at(0, 2) != "t")
        throw std::invalid_argument{
            "relay.source = logical needs a role that may replicate: alter role " +
            std::string{able.at(0, 1)} + " replication"};
    name_ = able.at(0, 3);
}

// Whether there is such a slot; nobody else reads from it afterwards.
bool Slot::inspect() {
    const auto slot = connection_.run(slot_sql, {name_});
    if (slot.rows() == 0) return false;
    if (slot.at(0, 0) != "t")
        throw std::invalid_argument{"the replication slot " + name_ +
                                    " is not one of pgoutput in this database: choose another "
                                    "relay.slot"};
    confirmed_ = slot.null(0, 1) ? 0 : static_cast<std::uint64_t>(slot.number(0, 1));
    lost_ = slot.at(0, 2) == "t";
    if (!slot.null(0, 3)) {
        spdlog::info("ending the reader of slot {}, which has no lease", name_);
        connection_.run(end_reader_sql, {std::string{slot.at(0, 3)}});
    }
    return true;
}

void Slot::connect() {
    stream_.emplace(settings_.dsn, "postroom relay stream", Connection::For::replication);
    // While Kafka holds us up we answer nothing; whoever has the lease after us ends this session.
    stream_->run("set wal_sender_timeout = 0");
}

// For outbox.explain(): the database cannot know which one it is.
void Slot::tell() { connection_.run(tell_sql, {std::to_string(settings_.shard), name_}); }

void Slot::make() {
    tell();
    stream_.reset();
    if (inspect()) connection_.run(drop_sql, {name_});
    connect();
    stream_->run("begin read only isolation level repeatable read");
    stream_->send("CREATE_REPLICATION_SLOT \"" + name_ +
                  "\" LOGICAL pgoutput (SNAPSHOT 'use', FAILOVER true)");
    spdlog::info("making slot {}: it begins once all transactions have ended that are open now",
                 name_);
}

std::optional<Slot::Made> Slot::made() {
    if (!stream_->answered()) return std::nullopt;
    const std::string snapshot{stream_->run(snapshot_sql).at(0, 0)};
    stream_->run("commit");
    if (!inspect()) throw std::logic_error{"the slot is gone as soon as it is made"};
    return Made{.lsn = *confirmed_, .snapshot = snapshot};
}

void Slot::start(const StreamPoint& from) {
    tell();
    stream_.reset();
    const bool trusting = faults::mutant("confirm_at_read");
    if (!inspect()) refuse("is gone");
    if (lost_) refuse("has been invalidated");
    if (*confirmed_ > from.lsn && !trusting)
        refuse("begins after the position " + to_text(from) + ": it is not the one that it was");
    connect();
    stream_->start_copy("START_REPLICATION SLOT \"" + name_ + "\" LOGICAL " + to_text(from) +
                        " (proto_version '1', publication_names 'postroom', binary 'true')");
}

bool Slot::next(std::string_view& message) {
    switch (stream_->copy_row(message)) {
        case Connection::Copy::row:
            return true;
        case Connection::Copy::none_yet:
            return false;
        case Connection::Copy::end:
            break;
    }
    throw PostgresError{"the server has ended the stream of slot " + name_, ""};
}

void Slot::confirm(std::uint64_t written, std::uint64_t flushed) {
    stream_->put_copy(status_update(written, flushed));
}

void Slot::refuse(const std::string& why) const {
    throw WrongSystem{
        "the replication slot " + name_ + " " + why +
        ", so that it may have skipped events: nothing is published. To go on by the table from "
        "the recorded snapshot, which skips nothing and repeats what was published in the last "
        "moments, and with a new slot from then on, run: postroom rebase --shard " +
        std::to_string(settings_.shard) + " --from recorded"};
}

}  // namespace relay

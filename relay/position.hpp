// Where a shard stands, and the right to move it.
//
// A position is a row of outbox.position, an insert-only log: (shard, n) is unique and taking the
// lease writes a row, so a relay that has been superseded fails to insert its next one. That is the
// fence. Not thread-safe.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>

#include "relay/postgres.hpp"

namespace relay {

// Another relay has the shard now; whatever this one still knows is stale.
class Fenced : public std::runtime_error {
    using std::runtime_error::runtime_error;
};

// The database is not the one the position was written in. No retry mends that.
class WrongSystem : public std::runtime_error {
    using std::runtime_error::runtime_error;
};

// How far a logical source is. Its rows are counted in the order in which its slot gives them, so
// that those which share an LSN are told apart.
struct StreamPoint {
    std::uint64_t lsn{};  // every row of the transactions that committed before this is published
    std::int64_t base{};  // how many those are
    std::int64_t row{};   // published up to this row: some may belong to the transactions after lsn
};

std::string to_text(const StreamPoint& point);  // its LSN, as PostgreSQL writes it

// Every event visible in snapshot is published; the others have a seq above floor, or belong to a
// transaction that the snapshot lists as running. A logical source goes by its stream, and the
// snapshot follows behind: of what is not visible in it, some is published as well.
struct Edge {
    std::string snapshot;
    std::int64_t floor{};
    std::optional<StreamPoint> stream;
};

struct Position {
    int shard{};
    int shards{1};  // of so many
    std::int64_t n{};
    std::int64_t epoch{};
    Edge lower;
    std::optional<Edge> upper;  // the window being published
    std::int64_t last_place{};  // of that window, published up to here (see Row::place)
    std::int64_t published{};
};

class PositionLog {
public:
    // Checks that the database is the one the position belongs to; throws WrongSystem when it is
    // not.
    PositionLog(Connection& connection, int shard);

    // The position, with the lease taken in the holder's name; none while another relay holds it.
    std::optional<Position> acquire(const std::string& holder, std::chrono::milliseconds ttl);
    // What names this shard among all shards of all databases, for as long as its data lives.
    const std::string& scope() const { return scope_; }
    // The position as a record of exactly_once's topic, and its way back: nothing when the record
    // is of another timeline, or from before a rebase. Throws std::runtime_error when it is no
    // record, and WrongSystem when it is of this server's future: of WAL that it has not written
    // yet, or no older than this epoch, which was taken just now.
    std::string to_record(const Position& position) const;
    std::optional<Position> from_record(const std::string& record, std::int64_t epoch);
    // Where all shards meet before their number changes: fixed by the first that asks, with a floor
    // that holds for any snapshot from now on. Nothing when no change is under way any more.
    std::optional<Edge> barrier(std::int64_t valid_floor);
    // Tells that the position is there, and that this relay does nothing more; false once there is
    // nothing more to wait for.
    bool arrive(const Position& position);
    bool renew(std::int64_t epoch, std::chrono::milliseconds ttl);
    void release(std::int64_t epoch);
    // Tells that a paused shard publishes nothing any more.
    void tell_stopped(std::int64_t epoch);

    enum class Durability { flushed, eventual };
    // Writes the position under its next number and counts it up. Flushed: returns once it is on
    // disk, and with it every commit that the relay has seen. Throws Fenced when the number is
    // taken.
    void record(Position& position, Durability durability);

private:
    Connection& connection_;
    int shard_;
    std::string system_identifier_, timeline_, scope_;
    std::string wal_;  // is on disk up to here, at least
    bool prepared_ = false;
};

}  // namespace relay

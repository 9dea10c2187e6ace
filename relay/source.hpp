// Where events come from: the port between a session and what it publishes.
//
// Both sources give every committed event once, in an order that a repeat from the same position
// keeps. TableSource reads the difference of two snapshots by seq, LogicalSource a replication slot
// in the order of commits. Whichever it is, a window is opened and recorded before its first event
// leaves, and closed with the edge that it has reached. Not thread-safe.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "relay/batch.hpp"
#include "relay/position.hpp"

namespace relay {

struct Settings;

struct Poll {
    Edge upper;  // where the position stands once these are published
    std::vector<std::unique_ptr<Batch>> batches;
    std::size_t rows{};
    bool complete{};    // false: there is more than was asked for, and walk() gives it all
    bool drained{};     // nothing that was committed before is left
    bool resharding{};  // its snapshot shows that the number of shards is to change
    bool on_disk{};     // no crash of the database can take these back
    // Without rows, upper is worth a record all the same once the last is so old.
    std::optional<std::chrono::milliseconds> record_after;
};

struct Walk {
    std::function<bool(std::unique_ptr<Batch>)> take;  // false ends the walk
    std::function<bool()> wait;  // for a moment, as nothing has arrived yet; likewise
};

class Source {
public:
    virtual ~Source() = default;

    // The committed events beyond the position, if they are at most max_rows and 8 MiB. Waits for
    // no event. Throws WrongSystem when the source cannot go on from there without skipping some.
    virtual Poll poll(const Position& at, std::size_t max_rows) = 0;

    // The events of the open window that are not published yet, in batches; the edge that is
    // reached with them, or none when the walk was ended before.
    virtual std::optional<Edge> walk(const Position& at, const Walk& steps) = 0;

    // The position was recorded, by a transaction of the session's connection: it will survive this
    // process, and a crash of the database once that transaction is flushed.
    virtual void recorded(const Position& at) = 0;

    // Readable when there may be news; -1 when whoever appends has to ring.
    virtual int news() const { return -1; }
};

// The one that the settings name. Throws std::invalid_argument when it cannot be.
std::unique_ptr<Source> make_source(const Settings& settings, Connection& connection);

}  // namespace relay

// Reads the outbox exactly: what is visible in one snapshot and not in another.
//
// poll() asks once, for what is little; walk() goes through a fixed window of any size in bounded
// chunks, without an open transaction. Both give events by seq; with the time of their append if
// that is asked for, or a trace needs it. Source: outbox.read_window in schema/outbox. Not
// thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "relay/batch.hpp"
#include "relay/position.hpp"
#include "relay/postgres.hpp"

namespace relay {

// Settings that every session reading the outbox needs: plans must not depend on statistics.
void prepare_reading(Connection& connection);

// A row in binary of the columns that a batch takes, valid as long as the result.
BatchBuilder::Fields fields_of(const Result& rows, int row);

struct Poll {
    Edge upper;  // this poll's snapshot, and a floor that holds for it
    std::vector<std::unique_ptr<Batch>> batches;
    std::size_t rows{};
    bool complete{};  // false: the window holds more rows than were asked for, and none were kept
};

class TableSource {
public:
    TableSource(Connection& connection, bool with_time);

    // The committed events above lower, if they are at most max_rows and 8 MiB.
    Poll poll(const Edge& lower, std::size_t max_rows);

    // Whether the sequence has gone on beyond the edge's floor, by the last poll.
    bool beyond(const Edge& edge) const { return newest_ > edge.floor; }

    // Tells that a transaction of this session has taken an xid since the last poll, and committed.
    void passed_a_transaction() { floor_ = newest_; }

private:
    Connection& connection_;
    std::int64_t newest_;  // seq that had been drawn by the last poll
    // A snapshot ends after the newest xid that has completed, so it does not list a running
    // transaction with a newer one. Every later snapshot ends after an xid of our own, though, and
    // whoever drew a seq before that xid is visible in it or listed.
    std::int64_t floor_ = 0;
};

struct Walk {
    std::function<bool(std::unique_ptr<Batch>)> take;  // false ends the walk
    std::function<bool()> wait;  // for a moment, as nothing has arrived yet; likewise
};

// Every event between the edges, above after_seq, in batches; false when it was ended before. On a
// connection of its own: the server sends ahead what the socket's buffers hold, so that reading and
// publishing overlap without a thread.
bool walk(Connection& connection, const Edge& lower, const Edge& upper, std::int64_t after_seq,
          bool with_time, const Walk& steps);

}  // namespace relay

// Reads the outbox exactly: what is visible in one snapshot and not in another.
//
// poll() asks once, for what is little; walk() goes through a fixed window of any size in chunks of
// some two seconds, without an open transaction. Both give events by seq; with the time of their
// append if that is asked for, or a trace needs it. Source: outbox.read_window in schema/outbox.
// Not thread-safe.
#pragma once

#include <cstdint>
#include <string>

#include "relay/postgres.hpp"
#include "relay/source.hpp"

namespace relay {

// Settings that every session reading the outbox needs: plans must not depend on statistics.
void prepare_reading(Connection& connection);

// A row in binary of the columns that a batch takes, valid as long as the result.
BatchBuilder::Fields fields_of(const Result& rows, int row);

// What walk() reads of an open window: so many rows above that seq.
std::string chunk_query(const Position& window, std::int64_t after_seq, int rows, bool with_time);

class TableSource : public Source {
public:
    // Before the lease is taken: see floor_. Walks on a connection of its own: the server sends
    // ahead what the socket's buffers hold, so that reading and publishing overlap without a
    // thread. with_time: of created_at as well.
    TableSource(Connection& connection, std::string dsn, bool with_time);

    Poll poll(const Position& at, std::size_t max_rows) override;
    std::optional<Edge> walk(const Position& at, const Walk& steps) override;
    void recorded(const Position& at) override;

private:
    Connection& connection_;
    std::string dsn_;
    bool with_time_;
    bool prepared_ = false;
    std::int64_t newest_;  // seq that had been drawn by the last poll
    // A snapshot ends after the newest xid that has completed, so it does not list a running
    // transaction with a newer one. Every later snapshot ends after an xid of our own, though, and
    // whoever drew a seq before that xid is visible in it or listed.
    std::int64_t floor_ = 0;
};

}  // namespace relay

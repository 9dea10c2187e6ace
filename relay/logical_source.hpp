// Reads the outbox by logical decoding, in the order of commits.
//
// A position without a stream (a new outbox, one that went by the table, a rebase) begins with one
// window by the table: what the new slot's snapshot sees and the position's does not. From there
// on the slot gives each transaction at its commit, row by row; what is not read waits at the
// server, spilled to its disk, so that a transaction of any size takes no memory here. The slot is
// told to forget what is published, recorded and flushed, never more.
//
// Beside the stream goes a snapshot, taken now and then: when the stream has passed the moment it
// was taken, all that is visible in it is published. Retention, outbox.pending and a return to the
// table rest on that. Not thread-safe.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>

#include "relay/pgoutput.hpp"
#include "relay/slot.hpp"
#include "relay/source.hpp"
#include "relay/table_source.hpp"

namespace relay {

class LogicalSource : public Source {
public:
    // Throws std::invalid_argument when the server or the role allows no logical decoding.
    LogicalSource(const Settings& settings, Connection& connection);

    Poll poll(const Position& at, std::size_t max_rows) override;
    std::optional<Edge> walk(const Position& at, const Walk& steps) override;
    void recorded(const Position& at) override;
    int news() const override { return slot_.socket(); }

private:
    using Clock = std::chrono::steady_clock;
    struct Mark {
        std::string snapshot;
        std::int64_t floor{};
        std::uint64_t lsn{};  // all that is visible in it committed before
    };

    Poll make_slot(const Position& at);
    void start(const Edge& lower);
    bool receive();
    void add(const BatchBuilder::Fields& fields);
    void keep_up();
    Edge edge() const;

    Connection& connection_;
    TableSource table_;
    Slot slot_;
    Pgoutput pgoutput_;
    enum class State { idle, making, streaming } state_ = State::idle;

    StreamPoint at_;         // received up to here; its row counts those that were given
    std::int64_t skip_{};    // rows up to this one are published
    bool in_transaction_{};  // a part of one has been received
    std::deque<std::unique_ptr<Batch>> ready_;
    BatchBuilder builder_;
    std::size_t waiting_rows_{}, waiting_bytes_{};  // in ready_ and builder_

    Mark mark_;
    std::optional<Mark> next_mark_;  // the stream has not passed it yet
    bool unmarked_{};                // there were rows since it was taken
    Clock::time_point kept_up_;
    std::uint64_t recorded_{}, confirmed_{};
};

}  // namespace relay

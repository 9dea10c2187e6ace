// A logical replication slot, and the stream of what it decodes.
//
// The slot is made for failover and holds WAL back until it is told what is not needed any more.
// One reader at a time: whoever else holds it is a predecessor without the lease, and is ended. Not
// thread-safe.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "relay/position.hpp"
#include "relay/postgres.hpp"
#include "relay/settings.hpp"

namespace relay {

// Says so when the shard's slot exists though the relay reads the table.
void warn_of_leftover(const Settings& settings, Connection& connection);

class Slot {
public:
    // Throws std::invalid_argument when the server or the role allows no logical decoding.
    Slot(const Settings& settings, Connection& connection);

    // Makes it, in place of one of that name. made() gives the answer, which comes when all
    // transactions have ended that are open now.
    void make();
    struct Made {
        std::uint64_t lsn{};   // it gives what commits from here on,
        std::string snapshot;  // in which all that has committed before is visible
    };
    std::optional<Made> made();

    // Begins to send what committed at the point or later. Throws WrongSystem when it cannot give
    // all of that.
    void start(const StreamPoint& from);
    // The next message, valid until the next call, if it has arrived.
    bool next(std::string_view& message);
    void confirm(std::uint64_t written, std::uint64_t flushed);

    int socket() const { return stream_ ? stream_->socket() : -1; }

private:
    void tell();
    bool inspect();
    void connect();
    [[noreturn]] void refuse(const std::string& why) const;

    const Settings& settings_;
    Connection& connection_;
    std::string name_;
    std::optional<std::uint64_t> confirmed_;  // by inspect()
    bool lost_ = false;                       // likewise
    std::optional<Connection> stream_;
};

}  // namespace relay

// What a replication slot sends, as values: pure, and nothing of it is kept but the layout of the
// table.
//
// Formats: PostgreSQL manual, "Streaming Replication Protocol" (WAL data, keepalive, status update)
// and "Logical Replication Message Formats" (pgoutput, protocol version 1, binary columns). A
// message that is none of these, or that ends early, throws std::runtime_error.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "relay/batch.hpp"

namespace relay {

// Everything before the LSN has been sent.
struct Keepalive {
    std::uint64_t lsn{};
    bool reply_wanted{};
};
struct Began {};
struct Inserted {
    BatchBuilder::Fields fields;  // they look into the message
};
struct Committed {
    std::uint64_t end{};  // the LSN after its commit
};
struct Nothing {};  // that matters here
using Streamed = std::variant<Keepalive, Began, Inserted, Committed, Nothing>;

class Pgoutput {
public:
    Streamed parse(std::string_view message);

private:
    Streamed parse_change(std::string_view change);

    // By the table's number: which of a batch's columns each of its columns is, if any.
    std::map<std::uint32_t, std::vector<std::size_t>> tables_;
};

// What the receiver answers: written is received, everything before flushed is not needed again.
std::string status_update(std::uint64_t written, std::uint64_t flushed);

}  // namespace relay

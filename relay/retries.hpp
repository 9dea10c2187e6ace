// Publishes what operators have released: a dead event, or its replacement, unless it was skipped;
// then, by seq, all that wait behind it.
//
// Until the last of its letters is published, newer events of the key are parked behind them. Each
// batch is marked as published after Kafka has acknowledged it; a crash in between repeats it. What
// Kafka refuses is dead again, and the rest waits behind it. Not thread-safe.
#pragma once

#include <cstddef>
#include <string>

#include "relay/courier.hpp"

namespace relay {

class Retries {
public:
    Retries(Connection& connection, int shard, Courier courier);

    // Takes one batch of the oldest request, and returns how many events Kafka has acknowledged.
    // Throws what the courier throws: the request stays as it was.
    std::size_t publish_some();

private:
    std::string oldest_request();
    void report(const std::string& head, const Courier::Outcome& outcome);

    Connection& connection_;
    int shard_;
    Courier courier_;
};

}  // namespace relay

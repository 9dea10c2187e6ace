// Publishes what operators have released: a dead event, or its replacement, unless it was skipped;
// then, by seq, all that wait behind it.
//
// Called between windows, when nothing else is in flight, so that a key keeps its order: until the
// last of its letters is published, newer events of the key are parked behind them. Each batch is
// marked as published after Kafka has acknowledged it; a crash in between repeats it. What Kafka
// refuses is dead again, and the rest waits behind it.
//
// With a producer of its own, whose failures concern nobody else, and that is gone when nothing is
// asked for; without transactions, as a retry is published at least once under exactly_once, too.
// Not thread-safe.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>

#include "relay/batch.hpp"
#include "relay/kafka_sink.hpp"
#include "relay/postgres.hpp"
#include "relay/settings.hpp"

namespace relay {

class Retries {
public:
    // check is called while waiting for Kafka; it throws to give up.
    Retries(const Settings& settings, const std::stop_token& stop, Connection& connection,
            std::function<void()> check);

    // Takes one batch of the oldest request, and returns how many events Kafka has acknowledged.
    // Throws ProducerFailed, and what check() throws: the request stays as it was.
    std::size_t publish_some();

private:
    std::string oldest_request();
    std::unique_ptr<Batch> read(const std::string& head);
    std::optional<std::string> send();
    void send_all();
    void await(std::size_t left);
    void send_batches();
    void report(const std::string& head, std::size_t published,
                const std::optional<std::string>& refusal);

    const Settings& settings_;
    const std::stop_token& stop_;
    Connection& connection_;
    std::function<void()> check_;
    bool one_by_one_ = false;       // a batch was refused whole: one of its rows is the culprit
    std::unique_ptr<Batch> batch_;  // outlives sink_, which points into it
    std::unique_ptr<KafkaSink> sink_;
};

}  // namespace relay

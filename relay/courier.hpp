// Publishes batches beside the windows, when nothing else is in flight, so that a key keeps its
// order.
//
// With a producer of its own, whose failures concern nobody else, and that can be let go. When
// Kafka refuses a batch whole, the rows that follow are sent one by one until the culprit is found.
// Not thread-safe.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "relay/batch.hpp"
#include "relay/kafka_sink.hpp"
#include "relay/postgres.hpp"
#include "relay/settings.hpp"

namespace relay {

class Courier {
public:
    // check is called while waiting for Kafka; it throws to give up.
    Courier(const Settings& settings, KafkaOptions kafka, const std::stop_token& stop,
            std::function<void()> check);

    // How many rows to read for the next batch: how long other keys wait is bounded by it.
    std::string most_rows() const { return one_by_one_ ? "100" : "1000"; }
    // A batch of a prepared statement's rows; null when there are none.
    static std::unique_ptr<Batch> read(
        Connection& connection, const std::string& statement,
        std::initializer_list<std::optional<std::string>> parameters);
    const std::string& topic_name(const Row& row) { return sink().topic_name(row); }

    struct Outcome {
        std::size_t published;               // so many of the batch's first rows
        std::optional<std::string> refusal;  // why Kafka will never take the one after them
    };
    // Fewer rows than the batch has, without a refusal: try the others again. Throws
    // ProducerFailed, and what check() throws.
    Outcome deliver(std::unique_ptr<Batch> batch);
    const std::vector<Row>& rows() const { return batch_->rows; }  // of the last batch

    // What was refused before comes no more.
    void forget_refusals();
    // Nothing is to be published for now.
    void rest();

private:
    KafkaSink& sink();
    std::optional<std::string> send();
    void send_all();
    void await(std::size_t left);

    const Settings& settings_;
    KafkaOptions kafka_;
    const std::stop_token& stop_;
    std::function<void()> check_;
    bool one_by_one_ = false;       // a batch was refused whole: one of its rows is the culprit
    std::unique_ptr<Batch> batch_;  // outlives sink_, which points into it
    std::unique_ptr<KafkaSink> sink_;
};

}  // namespace relay

// Publishes batches to Kafka with an idempotent producer, and says what became of each row.
//
// Order: librdkafka keeps the order of a partition, and raises a fatal error rather than leave a
// gap (enable.gapless.guarantee). No message times out by itself (message.timeout.ms=0), as one
// that did could be overtaken by its successors: the pipeline watches progress, and drops the whole
// producer instead. Not thread-safe: delivery reports are served from within publish() and serve().
// Source: librdkafka INTRODUCTION.md, "Idempotent Producer".
#pragma once

#include <librdkafka/rdkafka.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "relay/batch.hpp"
#include "relay/kafka_conf.hpp"
#include "relay/kafka_transactions.hpp"
#include "relay/message_format.hpp"
#include "relay/routing.hpp"

namespace relay {

struct KafkaOptions {
    std::string brokers;
    Routing routing;
    Format format = Format::plain;
    std::string source;  // of events, in the formats of CloudEvents
    int partitions = 3;
    int replication = 1;
    bool create_topics = true;
    std::string compression = "lz4";
    std::map<std::string, std::string> properties;  // librdkafka's own names; these win
};

// For exactly_once; see kafka_transactions.hpp.
struct Transactional {
    std::string id;
    std::string position_topic;
    std::chrono::milliseconds timeout;  // of a transaction
};

// The producer can go on no more; make another and start again from the recorded position.
class ProducerFailed : public std::runtime_error {
    using std::runtime_error::runtime_error;
};

struct Refusal {
    const Row* row;
    std::string error;
};

class KafkaSink {
public:
    struct Batches {
        bool one_by_one = false;  // a request carries one message, so that a refusal names it
        int bytes = 500'000;      // at most, before compression; a topic may allow fewer
    };
    KafkaSink(const KafkaOptions& options, Batches batches,
              const std::optional<Transactional>& transactional = std::nullopt);
    ~KafkaSink();  // drops what is queued: it is published again from the recorded position
    KafkaSink(const KafkaSink&) = delete;
    KafkaSink& operator=(const KafkaSink&) = delete;

    // For exactly_once, before anything else: fences the predecessor, and tells the last committed
    // position. check is called while waiting, and throws to give up. Throws ProducerFailed.
    std::optional<std::string> recover(const std::function<void()>& check);
    // Makes what has been published since the last commit visible, with the position. Nothing may
    // be in flight. Throws ProducerFailed.
    void commit(const std::string& position);
    bool in_transaction() const { return transactions_ && transactions_->open(); }

    enum class Answer { queued, full, refused };
    // Hands a row over; its batch must live until it is delivered. full: serve() and try again.
    // refused: this row can never be sent, and refusal() says why. Throws ProducerFailed.
    Answer publish(const Row& row);
    const std::string& refusal() const { return refusal_; }

    // Serves delivery reports for up to the limit. Each acknowledged row counts its batch's
    // undelivered down. Throws ProducerFailed.
    void serve(std::chrono::milliseconds limit);
    // The same until nothing is in flight, with nothing held back for a fuller batch.
    void flush(std::chrono::milliseconds limit);

    // Rows that the broker refused after they had been queued; the producer is of no use after
    // that.
    const std::vector<Refusal>& refused() const { return refused_; }
    // Serves the reports of a producer that has failed, so that refused() is complete.
    void collect();
    std::size_t in_flight() const;
    std::uint64_t acknowledged() const { return acknowledged_; }
    const std::string& topic_name(const Row& row);

private:
    struct Topic;
    Topic& topic(const Row& row);
    std::unique_ptr<Topic> make_topic(std::string name);
    std::string usable(const Topic& topic);  // empty, or why it can never be published to
    rd_kafka_resp_err_t ask(const Topic& topic);
    std::string create(const Topic& topic);
    void delivered(const rd_kafka_message_t& message);
    void fail_if_fatal();

    KafkaOptions options_;
    std::optional<Transactional> transactional_;
    KafkaHandle producer_{nullptr, &rd_kafka_destroy};
    std::unique_ptr<Topic> position_topic_;
    std::unique_ptr<KafkaTransactions> transactions_;
    MessageFormat format_;
    std::map<std::string, std::unique_ptr<Topic>> topics_;                       // by name
    std::map<std::pair<std::string, std::string>, Topic*, std::less<>> routes_;  // Routing::Parts
    std::vector<Refusal> refused_;
    decltype(&rd_kafka_msg_partitioner_murmur2) partitioner_{};
    // In flight alone, as the first of its partition. A broker that knows nothing of a producer
    // takes whatever sequence number comes first: were the first request refused, as by a leader
    // that is not ready, and the second taken, the first's repetition would pass for a duplicate.
    const Row* opening_{};
    std::uint64_t acknowledged_{};
    std::string refusal_, failure_;
    std::string last_error_;  // that librdkafka told of
};

}  // namespace relay

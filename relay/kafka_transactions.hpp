// exactly_once: events and the position behind them become visible to read_committed consumers
// together, or not at all.
//
// The position goes into a topic of the shard's own, as the last record of each Kafka transaction.
// A relay that takes over has its predecessor fenced, and what that left finished, by
// initialize(); the last committed position then tells where to go on. What Kafka itself cannot
// promise (a broker that loses what it acknowledged, a request delayed beyond its transaction's
// end), this cannot either: the inbox stays the guarantee. Not thread-safe.
// Source: KIP-98, KIP-618; librdkafka rdkafka.h, "Transactional producer API".
#pragma once

#include <librdkafka/rdkafka.h>

#include <chrono>
#include <functional>
#include <map>
#include <optional>
#include <string>

namespace relay {

struct KafkaOptions;

class KafkaTransactions {
public:
    // What the producer's configuration needs.
    static std::map<std::string, std::string> properties(const std::string& id,
                                                         std::chrono::milliseconds timeout);

    // Both outlive it; the topic of positions must exist.
    KafkaTransactions(rd_kafka_t* producer, rd_kafka_topic_t* positions)
        : producer_{producer}, positions_{positions} {}
    ~KafkaTransactions();  // aborts what is open
    KafkaTransactions(const KafkaTransactions&) = delete;
    KafkaTransactions& operator=(const KafkaTransactions&) = delete;

    // Call it first. check is called while waiting, and throws to give up. Throws ProducerFailed.
    void initialize(const std::function<void()>& check);
    // Begins a transaction unless one is open. Throws ProducerFailed.
    void begin();
    bool open() const { return open_; }
    // Of an open transaction. Waits until all of it is acknowledged, for the transaction's time-out
    // at most. When it throws ProducerFailed the outcome is known to the next producer's
    // initialize() only.
    void commit(const std::string& position);

private:
    rd_kafka_t* producer_;
    rd_kafka_topic_t* positions_;
    bool open_ = false;
};

// The last committed record of the position topic, if it has any. Throws ProducerFailed.
std::optional<std::string> last_position(const KafkaOptions& options,
                                         const std::string& position_topic,
                                         const std::function<void()>& check);

}  // namespace relay

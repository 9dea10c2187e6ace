// librdkafka's consumer, as much of it as an exactly-once consumer needs. Internal; not
// thread-safe, but for lag(). Source: librdkafka's rdkafka.h, "High-level KafkaConsumer API".
#pragma once

#include <librdkafka/rdkafka.h>

#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "delivery.hpp"
#include "offsets.hpp"

namespace outbox {

class KafkaConsumer {
public:
    // on_revoke runs inside poll() and close(), before the partitions go; commit() works in it.
    KafkaConsumer(const ConsumerOptions& options, std::function<void()> on_revoke);
    ~KafkaConsumer();  // leaves the group
    KafkaConsumer(const KafkaConsumer&) = delete;
    KafkaConsumer& operator=(const KafkaConsumer&) = delete;

    // The next message, waiting up to the limit. Throws std::runtime_error for a fatal error.
    std::optional<Delivery> poll(std::chrono::milliseconds limit);
    // Waits for the broker's answer; a failure is logged, as the events come again and the inbox
    // suppresses them.
    void commit(const Offsets::Positions& positions);
    // Stops and resumes fetching; poll() goes on keeping the membership.
    void pause(bool paused);
    // From the first assignment on, while the group shares its partitions out anew too.
    bool is_member() const { return member_; }
    std::vector<PartitionLag> lag() const;  // thread-safe
    void close();

private:
    void rebalance(rd_kafka_resp_err_t what, rd_kafka_topic_partition_list_t* partitions);
    void learn_committed();
    void keep_committed(const rd_kafka_topic_partition_list_t& offsets);
    Delivery delivery(const rd_kafka_message_t& message) const;

    std::function<void(std::string_view)> log_;
    std::function<void()> on_revoke_;
    std::unique_ptr<rd_kafka_t, void (*)(rd_kafka_t*)> consumer_;
    bool member_ = false;
    bool paused_ = false;
    bool to_learn_ = false;  // what is committed of the partitions just assigned
    mutable std::mutex mutex_;
    Offsets::Positions committed_;  // of what is assigned; under mutex_
};

}  // namespace outbox

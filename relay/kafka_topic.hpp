// What the sink knows of a topic. Internal to it.
#pragma once

#include <librdkafka/rdkafka.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "relay/kafka_sink.hpp"

namespace relay {

struct KafkaSink::Topic {
    std::string name;
    std::unique_ptr<rd_kafka_topic_t, void (*)(rd_kafka_topic_t*)> handle{nullptr,
                                                                          &rd_kafka_topic_destroy};
    bool is_position = false;  // of exactly_once: one partition, compacted
    std::string unusable;
    std::optional<std::chrono::steady_clock::time_point> asked;  // whether it is usable
    std::vector<bool> opened;                              // partitions that have acknowledged
    std::atomic<int> chosen{-1};                           // the last message's partition
    decltype(&rd_kafka_msg_partitioner_murmur2) choose{};  // as the property "partitioner" says
};

// What no retry mends, and concerns the one message only. Missing rights concern everything: they
// stop the relay rather than turn every event into a dead letter.
bool is_poison(rd_kafka_resp_err_t error);
bool is_unknown_topic(rd_kafka_resp_err_t error);

}  // namespace relay

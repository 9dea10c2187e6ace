// What a relay can be told; config.hpp reads it.
#pragma once

#include <chrono>
#include <cstddef>
#include <map>
#include <set>
#include <string>

#include "relay/kafka_sink.hpp"

namespace relay {

struct AdminSettings {
    std::string listen = "127.0.0.1:9464";
    std::string token;                        // empty: no /admin
    std::map<std::string, std::string> dsns;  // as whom it acts, by the database's name
};

struct Settings {
    std::string dsn;
    std::string database = "default";  // its name in the metrics
    std::string log_label;             // of one of several: its name in the log
    KafkaOptions kafka;
    std::string holder;
    std::set<int> shards;  // that it publishes, if there are such; empty: any
    bool wants(int one) const { return shards.empty() || shards.contains(one); }
    int shard = 0;                          // a worker's
    std::chrono::milliseconds lease{5000};  // how long a dead relay keeps its successor waiting
    std::chrono::milliseconds poll{1};      // between polls while awake
    std::chrono::milliseconds idle{1000};   // without events for this long, it goes to sleep
    std::chrono::milliseconds stall{
        60'000};  // without progress at Kafka for this long, the producer is replaced
    std::chrono::milliseconds stop{10'000};  // for a graceful stop to deliver what is queued
    std::size_t window_rows = 5000;          // more than this is walked in chunks
    bool logical = false;                    // by logical decoding instead of the table
    std::string slot;                        // its replication slot; empty: named after the shard
    bool exactly_once = false;               // by Kafka transactions
    std::string position_topic_prefix = "postroom.position.";
    bool stop_when_drained = false;
    AdminSettings admin;
    std::string otlp_endpoint;  // empty: no tracing
    std::string log_level = "info";
};

}  // namespace relay

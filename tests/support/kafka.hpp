// Kafka as seen from outside: topics made, records put in by hand, and the log read back.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "support/environment.hpp"

namespace support {

struct Record {
    std::string topic;
    int partition;
    std::int64_t offset;
    std::optional<std::string> key, value;
    std::map<std::string, std::string> headers;
};

// Returns once the topic can be produced to. Throws when it exists.
void create_topic(const std::string& topic, int partitions,
                  const std::map<std::string, std::string>& config = {},
                  const std::string& brokers = kafka(), int replication = 1);

// How many it has; 0 when there is none.
int partitions(const std::string& topic, const std::string& brokers = kafka());

// Throws when there is none.
void delete_topic(const std::string& topic, const std::string& brokers = kafka());

// Everything up to the current end, read_committed, each partition in order.
std::vector<Record> read_topic(const std::string& topic, const std::string& brokers = kafka());

struct Draft {
    std::optional<std::string> key = {}, value = {};
    std::map<std::string, std::string> headers = {};
    int partition = -1;  // chosen by key unless told
};

// Appends in order and waits for every acknowledgement.
void produce(const std::string& topic, const std::vector<Draft>& records,
             const std::string& brokers = kafka());

struct Placement {  // of a partition; the leader is -1 while there is none
    int leader, in_sync;
};
std::vector<Placement> placements(const std::string& topic, const std::string& brokers);

// How many nodes the cluster counts as alive.
int live_brokers(const std::string& brokers);

}  // namespace support

// What topics hold, as a read_committed consumer sees it: which events consumers can have.
//
//   KafkaLog log{settings.kafka};
//   log.read({"outbox.event.order"}, since, [](const KafkaLog::Event& event) { … });
//
// Joins no group, commits nothing. Not thread-safe. Throws std::runtime_error that says what Kafka
// did not do in time.
#pragma once

#include <librdkafka/rdkafka.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "relay/kafka_conf.hpp"

namespace relay {

struct KafkaOptions;

// A consumer that reads what is committed, from what it is assigned.
KafkaHandle make_reader(const KafkaOptions& options);

class KafkaLog {
public:
    struct Event {
        std::string id, key, type, topic;
        int partition;
        std::int64_t offset;
        std::chrono::milliseconds at;  // the record's time, since 1970
    };
    explicit KafkaLog(const KafkaOptions& options);

    std::vector<std::string> topics() const;
    // Every event from that time (since 1970) up to the end that the topics, which exist, have now.
    // A record that has no event's id is nobody's; one that a replay repeated is of before.
    void read(const std::vector<std::string>& topics, std::chrono::milliseconds since,
              const std::function<void(const Event&)>& take) const;

private:
    KafkaHandle reader_;
};

}  // namespace relay

// A message on its way through the consumer. Internal.
#pragma once

#include <cstdint>
#include <string>

#include "outbox/consumer.hpp"

namespace outbox {

struct Delivery {
    Message message;
    std::string malformed;      // why it is no event; empty when it is one
    std::uint64_t arrival = 0;  // rises with each one taken from Kafka
    int attempts = 0;           // that failed
    int delays = 0;             // failures that cost no attempt
    bool retrying = false;      // its key waits for it

    std::string source() const {
        return message.topic + '/' + std::to_string(message.partition) + '/' +
               std::to_string(message.offset);
    }
    // What keeps its order: a topic's key. A message without one has no order to keep.
    std::string lane() const {
        return message.key.empty() ? source() : message.topic + '\0' + message.key;
    }
};

}  // namespace outbox

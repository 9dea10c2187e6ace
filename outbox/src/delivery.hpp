// A message on its way through the consumer. Internal.
#pragma once

#include <string>

#include "outbox/consumer.hpp"

namespace outbox {

struct Delivery {
    Message message;
    std::string malformed;  // why it is no event; empty when it is one
    int attempts = 0;       // that failed
    bool retrying = false;  // at the head of its key's queue

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

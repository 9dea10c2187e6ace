// librdkafka's configuration of a consumer, made of its options, and freed by scope. Internal.
#pragma once

#include <librdkafka/rdkafka.h>

#include <memory>

#include "outbox/consumer.hpp"

namespace outbox {

using KafkaConf = std::unique_ptr<rd_kafka_conf_t, void (*)(rd_kafka_conf_t*)>;

// Throws std::invalid_argument naming the property at fault, and the nearest one that there is.
KafkaConf make_conf(const ConsumerOptions& options);

}  // namespace outbox

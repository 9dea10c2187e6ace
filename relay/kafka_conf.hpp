// librdkafka's configuration object, made of properties, and freed by scope.
#pragma once

#include <librdkafka/rdkafka.h>

#include <map>
#include <memory>
#include <string>

namespace relay {

using KafkaConf = std::unique_ptr<rd_kafka_conf_t, void (*)(rd_kafka_conf_t*)>;
using KafkaHandle = std::unique_ptr<rd_kafka_t, void (*)(rd_kafka_t*)>;

// An error that librdkafka tells of.
void log_error(int error, const char* reason);

// Logs what librdkafka has to say. Throws std::invalid_argument naming the property at fault.
KafkaConf make_conf(std::map<std::string, std::string> properties);

// A client of that type; the configuration is its own from then on. Throws std::invalid_argument.
KafkaHandle make_client(rd_kafka_type_t type, KafkaConf conf);

}  // namespace relay

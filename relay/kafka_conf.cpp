#include "relay/kafka_conf.hpp"

#include <spdlog/spdlog.h>

#include <array>
#include <stdexcept>

#include "faults.hpp"

namespace relay {

void log_error(int error, const char* reason) {
    spdlog::warn("kafka: {} ({})", reason,
                 rd_kafka_err2name(static_cast<rd_kafka_resp_err_t>(error)));
}

KafkaConf make_conf(std::map<std::string, std::string> properties) {
    KafkaConf conf{rd_kafka_conf_new(), &rd_kafka_conf_destroy};
    // librdkafka's own, to the broker: at its end a client may wait a second for theirs.
    properties.try_emplace("enable.metrics.push", "false");
    if (faults::mutant("any_broker")) properties["enable.ssl.certificate.verification"] = "false";
    for (const auto& [name, value] : properties) {
        std::array<char, 512> why{};
        if (rd_kafka_conf_set(conf.get(), name.c_str(), value.c_str(), why.data(), why.size()) !=
            RD_KAFKA_CONF_OK)
            throw std::invalid_argument{"kafka." + name + ": " + why.data()};
    }
    rd_kafka_conf_set_error_cb(conf.get(), [](rd_kafka_t*, int error, const char* reason, void*) {
        log_error(error, reason);
    });
    rd_kafka_conf_set_log_cb(conf.get(),
                             [](const rd_kafka_t*, int, const char* facility, const char* line) {
                                 spdlog::debug("kafka: {}: {}", facility, line);
                             });
    return conf;
}

KafkaHandle make_client(rd_kafka_type_t type, KafkaConf conf) {
    std::array<char, 512> why{};
    KafkaHandle client{rd_kafka_new(type, conf.get(), why.data(), why.size()), &rd_kafka_destroy};
    if (!client)
        throw std::invalid_argument{std::string{"cannot make a Kafka client: "} + why.data()};
    static_cast<void>(conf.release());  // the client owns it now
    return client;
}

}  // namespace relay

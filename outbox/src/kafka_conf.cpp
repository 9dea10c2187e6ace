#include "kafka_conf.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

namespace outbox {
namespace {

std::map<std::string, std::string> properties(const ConsumerOptions& options) {
    std::map<std::string, std::string> all{{"bootstrap.servers", options.brokers},
                                           {"group.id", options.name},
                                           {"client.id", "postroom"},
                                           {"enable.auto.commit", "false"},
                                           {"enable.auto.offset.store", "false"},
                                           {"isolation.level", "read_committed"},
                                           {"auto.offset.reset", "earliest"},
                                           {"queued.max.messages.kbytes", "16384"},
                                           {"fetch.wait.max.ms", "50"},
                                           {"reconnect.backoff.max.ms", "1000"},
                                           // else its end may take a second longer
                                           {"enable.metrics.push", "false"},
                                           // a topic that does not exist yet is found this soon
                                           {"topic.metadata.refresh.interval.ms", "2000"},
                                           {"log_level", "3"}};
    for (const auto& [name, value] : options.kafka) all[name] = value;
    return all;
}

// librdkafka tells them as a table only: "name | C/P | range | …", a property a line.
std::vector<std::string> known_properties() {
    char* text = nullptr;
    std::size_t size = 0;
    std::FILE* stream = ::open_memstream(&text, &size);
    if (stream == nullptr) return {};
    rd_kafka_conf_properties_show(stream);
    static_cast<void>(std::fclose(stream));
    const std::unique_ptr<char, void (*)(void*)> owned{text, &std::free};
    std::istringstream lines{std::string{text, size}};
    std::vector<std::string> names;
    for (std::string line; std::getline(lines, line);) {
        std::istringstream words{line};
        std::string name, bar, whose;
        // Of consumers (C) or of both (*), which P is not.
        if (words >> name >> bar >> whose && bar == "|" && (whose == "C" || whose == "*"))
            names.push_back(name);
    }
    return names;
}

// Of the beginning and of the end that both have.
std::ptrdiff_t likeness(const std::string& a, const std::string& b) {
    return std::ranges::mismatch(a, b).in1 - a.begin() +
           (std::mismatch(a.rbegin(), a.rend(), b.rbegin(), b.rend()).first - a.rbegin());
}

std::string suggestion(const std::string& name) {
    const auto known = known_properties();
    const auto nearest =
        std::ranges::max_element(known, {}, [&](const auto& one) { return likeness(name, one); });
    return nearest == known.end() ? "" : "; did you mean " + *nearest + "?";
}

}  // namespace

KafkaConf make_conf(const ConsumerOptions& options) {
    KafkaConf conf{rd_kafka_conf_new(), &rd_kafka_conf_destroy};
    std::array<char, 512> why{};
    for (const auto& [name, value] : properties(options)) {
        const auto result =
            rd_kafka_conf_set(conf.get(), name.c_str(), value.c_str(), why.data(), why.size());
        if (result == RD_KAFKA_CONF_UNKNOWN)
            throw std::invalid_argument{"librdkafka knows no property " + name + suggestion(name)};
        if (result != RD_KAFKA_CONF_OK) throw std::invalid_argument{name + ": " + why.data()};
    }
    return conf;
}

}  // namespace outbox

#include "support/kafka.hpp"

#include <librdkafka/rdkafka.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <memory>
#include <stdexcept>

#include "support/wait.hpp"

namespace support {
namespace {

constexpr std::chrono::seconds limit{30};
constexpr int limit_ms = 30'000;

using Text = std::array<char, 512>;
using Client = std::unique_ptr<rd_kafka_t, decltype([](rd_kafka_t* k) { rd_kafka_destroy(k); })>;
using Queue = std::unique_ptr<rd_kafka_queue_t,
                              decltype([](rd_kafka_queue_t* q) { rd_kafka_queue_destroy(q); })>;
using Event = std::unique_ptr<rd_kafka_event_t,
                              decltype([](rd_kafka_event_t* e) { rd_kafka_event_destroy(e); })>;
using NewTopic =
    std::unique_ptr<rd_kafka_NewTopic_t,
                    decltype([](rd_kafka_NewTopic_t* t) { rd_kafka_NewTopic_destroy(t); })>;
using Message =
    std::unique_ptr<rd_kafka_message_t,
                    decltype([](rd_kafka_message_t* m) { rd_kafka_message_destroy(m); })>;
using Partitions = std::unique_ptr<rd_kafka_topic_partition_list_t,
                                   decltype([](rd_kafka_topic_partition_list_t* p) {
                                       rd_kafka_topic_partition_list_destroy(p);
                                   })>;
using Topic = std::unique_ptr<rd_kafka_topic_t,
                              decltype([](rd_kafka_topic_t* t) { rd_kafka_topic_destroy(t); })>;

void check(rd_kafka_resp_err_t error, const std::string& what) {
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
        throw std::runtime_error{what + ": " + rd_kafka_err2str(error)};
    }
}

// Counts refused records in the client's opaque; only clients that produce have one.
void on_delivery(rd_kafka_t*, const rd_kafka_message_t* message, void* opaque) {
    if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) ++*static_cast<int*>(opaque);
}

Client client(rd_kafka_type_t type, const std::map<std::string, std::string>& properties,
              int* refused = nullptr) {
    rd_kafka_conf_t* conf = rd_kafka_conf_new();
    Text error{};
    // Else its end may take a second.
    rd_kafka_conf_set(conf, "enable.metrics.push", "false", error.data(), error.size());
    for (const auto& [name, value] : properties) {
        if (rd_kafka_conf_set(conf, name.c_str(), value.c_str(), error.data(), error.size()) !=
            RD_KAFKA_CONF_OK) {
            throw std::runtime_error{error.data()};
        }
    }
    if (refused != nullptr) {
        rd_kafka_conf_set_opaque(conf, refused);
        rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
    }
    Client made{rd_kafka_new(type, conf, error.data(), error.size())};
    if (!made) throw std::runtime_error{error.data()};
    return made;
}

std::vector<Placement> placements(const Client& kafka_client, const std::string& topic) {
    const Topic handle{rd_kafka_topic_new(kafka_client.get(), topic.c_str(), nullptr)};
    const rd_kafka_metadata_t* metadata = nullptr;
    check(rd_kafka_metadata(kafka_client.get(), 0, handle.get(), &metadata, limit_ms), "metadata");
    const rd_kafka_metadata_topic_t& found = metadata->topics[0];
    std::vector<Placement> all;
    if (found.err == RD_KAFKA_RESP_ERR_NO_ERROR) {
        for (int i = 0; i < found.partition_cnt; ++i)
            all.push_back({found.partitions[i].leader, found.partitions[i].isr_cnt});
    }
    rd_kafka_metadata_destroy(metadata);
    return all;
}

// 0 while the cluster doesn't know the topic, or one of its partitions has no leader yet.
int partition_count(const Client& kafka_client, const std::string& topic) {
    const auto all = placements(kafka_client, topic);
    const bool led = std::ranges::none_of(all, [](const auto& at) { return at.leader < 0; });
    return led ? static_cast<int>(all.size()) : 0;
}

std::optional<std::string> text(const void* data, std::size_t size) {
    if (data == nullptr) return std::nullopt;
    return std::string{static_cast<const char*>(data), size};
}

Record record(const rd_kafka_message_t& message) {
    Record result{rd_kafka_topic_name(message.rkt),
                  message.partition,
                  message.offset,
                  text(message.key, message.key_len),
                  text(message.payload, message.len),
                  {}};
    rd_kafka_headers_t* headers = nullptr;
    if (rd_kafka_message_headers(&message, &headers) == RD_KAFKA_RESP_ERR_NO_ERROR) {
        const char* name = nullptr;
        const void* value = nullptr;
        std::size_t size = 0;
        for (std::size_t i = 0; rd_kafka_header_get_all(headers, i, &name, &value, &size) ==
                                RD_KAFKA_RESP_ERR_NO_ERROR;
             ++i) {
            result.headers[name] = text(value, size).value_or("");
        }
    }
    return result;
}

}  // namespace

void create_topic(const std::string& topic, int partitions,
                  const std::map<std::string, std::string>& config, const std::string& brokers,
                  int replication) {
    const Client admin = client(RD_KAFKA_PRODUCER, {{"bootstrap.servers", brokers}});
    Text error{};
    const NewTopic wanted{
        rd_kafka_NewTopic_new(topic.c_str(), partitions, replication, error.data(), error.size())};
    if (!wanted) throw std::runtime_error{error.data()};
    for (const auto& [name, value] : config) {
        check(rd_kafka_NewTopic_set_config(wanted.get(), name.c_str(), value.c_str()), name);
    }
    const Queue queue{rd_kafka_queue_new(admin.get())};
    rd_kafka_NewTopic_t* topics[] = {wanted.get()};
    rd_kafka_CreateTopics(admin.get(), topics, 1, nullptr, queue.get());
    const Event event{rd_kafka_queue_poll(queue.get(), limit_ms)};
    if (!event) throw std::runtime_error{"Kafka did not answer: create topic " + topic};
    check(rd_kafka_event_error(event.get()), "create topic " + topic);
    std::size_t count = 0;
    const rd_kafka_topic_result_t** results = rd_kafka_CreateTopics_result_topics(
        rd_kafka_event_CreateTopics_result(event.get()), &count);
    for (std::size_t i = 0; i < count; ++i) {
        check(rd_kafka_topic_result_error(results[i]), "create topic " + topic);
    }
    eventually(limit, "leaders of " + topic, [&] { return partition_count(admin, topic) > 0; });
}

int partitions(const std::string& topic, const std::string& brokers) {
    return partition_count(client(RD_KAFKA_PRODUCER, {{"bootstrap.servers", brokers}}), topic);
}

void delete_topic(const std::string& topic, const std::string& brokers) {
    const Client admin = client(RD_KAFKA_PRODUCER, {{"bootstrap.servers", brokers}});
    rd_kafka_DeleteTopic_t* unwanted = rd_kafka_DeleteTopic_new(topic.c_str());
    const Queue queue{rd_kafka_queue_new(admin.get())};
    rd_kafka_DeleteTopics(admin.get(), &unwanted, 1, nullptr, queue.get());
    rd_kafka_DeleteTopic_destroy(unwanted);
    const Event event{rd_kafka_queue_poll(queue.get(), limit_ms)};
    if (!event) throw std::runtime_error{"Kafka did not answer: delete topic " + topic};
    check(rd_kafka_event_error(event.get()), "delete topic " + topic);
    std::size_t count = 0;
    const rd_kafka_topic_result_t** results = rd_kafka_DeleteTopics_result_topics(
        rd_kafka_event_DeleteTopics_result(event.get()), &count);
    check(rd_kafka_topic_result_error(results[0]), "delete topic " + topic);
}

std::vector<Record> read_topic(const std::string& topic, const std::string& brokers) {
    const Client consumer = client(RD_KAFKA_CONSUMER, {{"bootstrap.servers", brokers},
                                                       {"group.id", unique_name("reader")},
                                                       {"isolation.level", "read_committed"},
                                                       {"enable.auto.commit", "false"},
                                                       {"fetch.wait.max.ms", "10"},
                                                       {"enable.partition.eof", "true"}});
    check(rd_kafka_poll_set_consumer(consumer.get()), "consumer queue");
    const int partitions = partition_count(consumer, topic);
    if (partitions == 0) throw std::runtime_error{"there is no topic " + topic};
    const Partitions wanted{rd_kafka_topic_partition_list_new(partitions)};
    for (int i = 0; i < partitions; ++i) {
        rd_kafka_topic_partition_list_add(wanted.get(), topic.c_str(), i)->offset =
            RD_KAFKA_OFFSET_BEGINNING;
    }
    check(rd_kafka_assign(consumer.get(), wanted.get()), "assign " + topic);

    std::vector<Record> records;
    std::vector<bool> ended(static_cast<std::size_t>(partitions), false);
    while (std::ranges::count(ended, true) < partitions) {
        const Message message{rd_kafka_consumer_poll(consumer.get(), limit_ms)};
        if (!message) throw std::runtime_error{"Kafka did not answer: read " + topic};
        if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
            ended[static_cast<std::size_t>(message->partition)] = true;
        } else if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
            records.push_back(record(*message));
        } else if (rd_kafka_fatal_error(consumer.get(), nullptr, 0) != RD_KAFKA_RESP_ERR_NO_ERROR) {
            check(message->err, "read " + topic);
        }
    }
    return records;
}

void produce(const std::string& topic, const std::vector<Draft>& records,
             const std::string& brokers) {
    int refused = 0;
    const Client producer = client(RD_KAFKA_PRODUCER,
                                   {{"bootstrap.servers", brokers},
                                    {"enable.idempotence", "true"},
                                    {"linger.ms", "1"},
                                    {"message.timeout.ms", std::to_string(limit_ms)}},
                                   &refused);
    for (const Draft& draft : records) {
        rd_kafka_headers_t* headers = rd_kafka_headers_new(draft.headers.size());
        for (const auto& [name, value] : draft.headers) {
            rd_kafka_header_add(headers, name.c_str(), -1, value.data(),
                                static_cast<ssize_t>(value.size()));
        }
        const std::string_view key = draft.key ? *draft.key : std::string_view{};
        const std::string_view value = draft.value ? *draft.value : std::string_view{};
        check(rd_kafka_producev(producer.get(), RD_KAFKA_V_TOPIC(topic.c_str()),
                                RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY | RD_KAFKA_MSG_F_BLOCK),
                                RD_KAFKA_V_KEY(key.data(), key.size()),
                                RD_KAFKA_V_VALUE(const_cast<char*>(value.data()), value.size()),
                                RD_KAFKA_V_HEADERS(headers), RD_KAFKA_V_END),
              "produce to " + topic);
    }
    check(rd_kafka_flush(producer.get(), limit_ms), "flush " + topic);
    if (refused > 0) {
        throw std::runtime_error{topic + " refused " + std::to_string(refused) + " records"};
    }
}

std::vector<Placement> placements(const std::string& topic, const std::string& brokers) {
    return placements(
        client(RD_KAFKA_PRODUCER, {{"bootstrap.servers", brokers}, {"log_level", "0"}}), topic);
}

int live_brokers(const std::string& brokers) {
    const Client asking =
        client(RD_KAFKA_PRODUCER, {{"bootstrap.servers", brokers}, {"log_level", "0"}});
    const rd_kafka_metadata_t* metadata = nullptr;
    check(rd_kafka_metadata(asking.get(), 0, nullptr, &metadata, limit_ms), "metadata");
    const int count = metadata->broker_cnt;
    rd_kafka_metadata_destroy(metadata);
    return count;
}

}  // namespace support

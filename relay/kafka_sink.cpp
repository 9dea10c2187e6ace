#include "relay/kafka_sink.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <nlohmann/json.hpp>
#include <span>

#include "faults.hpp"

namespace relay {
namespace {

using Headers = std::unique_ptr<rd_kafka_headers_t, void (*)(rd_kafka_headers_t*)>;
constexpr int admin_timeout_ms = 10'000;
constexpr std::chrono::milliseconds ask_again_after{100};  // about a topic that could not be used

// What no retry mends, and concerns the one message only. Missing rights concern everything: they
// stop the relay rather than turn every event into a dead letter.
bool is_poison(rd_kafka_resp_err_t error) {
    static constexpr std::array poison{
        RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE,   RD_KAFKA_RESP_ERR_INVALID_MSG_SIZE,
        RD_KAFKA_RESP_ERR_INVALID_MSG,          RD_KAFKA_RESP_ERR_INVALID_RECORD,
        RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION,      RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART,
        RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC,       RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION,
        RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE};
    return std::ranges::find(poison, error) != poison.end();
}

void set(rd_kafka_conf_t* conf, const std::string& name, const std::string& value) {
    std::array<char, 512> why{};
    if (rd_kafka_conf_set(conf, name.c_str(), value.c_str(), why.data(), why.size()) !=
        RD_KAFKA_CONF_OK)
        throw std::invalid_argument{"kafka." + name + ": " + why.data()};
}

void add(rd_kafka_headers_t* headers, std::string_view name, std::string_view value) {
    rd_kafka_header_add(headers, name.data(), static_cast<ssize_t>(name.size()), value.data(),
                        static_cast<ssize_t>(value.size()));
}

Headers headers_of(const Row& row) {
    Headers headers{rd_kafka_headers_new(8), &rd_kafka_headers_destroy};
    add(headers.get(), "id", to_string(row.id));
    add(headers.get(), "type", row.type);
    if (!row.content_type.empty()) add(headers.get(), "content-type", row.content_type);
    if (!row.headers.empty()) {
        const auto object = nlohmann::json::parse(row.headers);
        for (const auto& [name, value] : object.items()) {
            const bool is_text = value.is_string();
            add(headers.get(), name, is_text ? value.get_ref<const std::string&>() : value.dump());
        }
    }
    return headers;
}

}  // namespace

struct KafkaSink::Topic {
    std::string name;
    std::unique_ptr<rd_kafka_topic_t, void (*)(rd_kafka_topic_t*)> handle{nullptr,
                                                                          &rd_kafka_topic_destroy};
    std::string unusable;
    std::chrono::steady_clock::time_point asked;
};

KafkaSink::KafkaSink(const KafkaOptions& options, Batches batches)
    : options_{options}, producer_{nullptr, &rd_kafka_destroy} {
    std::unique_ptr<rd_kafka_conf_t, void (*)(rd_kafka_conf_t*)> conf{rd_kafka_conf_new(),
                                                                      &rd_kafka_conf_destroy};
    std::map<std::string, std::string> properties{
        {"bootstrap.servers", options.brokers},
        {"client.id", "postroom"},
        {"enable.idempotence", "true"},
        {"enable.gapless.guarantee", "true"},
        {"message.timeout.ms", "0"},
        {"partitioner",
         "murmur2_random"},  // as Java's clients do, so that keys land where theirs do
        {"compression.codec", options.compression},
        {"linger.ms", "1"},
        {"batch.size", std::to_string(batches.bytes)},
        {"batch.num.messages", batches.one_by_one ? "1" : "10000"},
        {"queue.buffering.max.messages", "40000"},
        {"queue.buffering.max.kbytes", "32768"},
        {"reconnect.backoff.max.ms", "1000"},
        {"log_level", "4"}};
    if (faults::mutant("acks_1")) {
        properties["enable.idempotence"] = properties["enable.gapless.guarantee"] = "false";
        properties["acks"] = "1";
    }
    for (const auto& [name, value] : options.properties) properties[name] = value;
    for (const auto& [name, value] : properties) set(conf.get(), name, value);
    rd_kafka_conf_set_opaque(conf.get(), this);
    rd_kafka_conf_set_dr_msg_cb(conf.get(),
                                [](rd_kafka_t*, const rd_kafka_message_t* message, void* self) {
                                    static_cast<KafkaSink*>(self)->delivered(*message);
                                });
    rd_kafka_conf_set_error_cb(conf.get(), [](rd_kafka_t*, int error, const char* reason, void*) {
        spdlog::warn("kafka: {} ({})", reason,
                     rd_kafka_err2name(static_cast<rd_kafka_resp_err_t>(error)));
    });
    rd_kafka_conf_set_log_cb(conf.get(),
                             [](const rd_kafka_t*, int, const char* facility, const char* line) {
                                 spdlog::debug("kafka: {}: {}", facility, line);
                             });
    std::array<char, 512> why{};
    producer_.reset(rd_kafka_new(RD_KAFKA_PRODUCER, conf.get(), why.data(), why.size()));
    if (!producer_)
        throw std::invalid_argument{std::string{"cannot make a Kafka producer: "} + why.data()};
    static_cast<void>(conf.release());  // the producer owns it now
}

KafkaSink::~KafkaSink() {
    rd_kafka_purge(producer_.get(), RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
    rd_kafka_poll(producer_.get(), 0);
    topics_.clear();
}

std::size_t KafkaSink::in_flight() const {
    return static_cast<std::size_t>(rd_kafka_outq_len(producer_.get()));
}

const std::string& KafkaSink::topic_name(const Row& row) { return topic(row.aggregate_type).name; }

KafkaSink::Topic& KafkaSink::topic(std::string_view aggregate_type) {
    const auto now = std::chrono::steady_clock::now();
    const auto known = topics_.find(aggregate_type);
    if (known != topics_.end()) {
        Topic& topic = *known->second;
        if (!topic.unusable.empty() && now - topic.asked > ask_again_after) {
            topic.unusable = usable(topic);
            topic.asked = now;
        }
        return topic;
    }
    auto made = std::make_unique<Topic>();
    made->name = options_.topic_prefix + std::string{aggregate_type};
    made->handle.reset(rd_kafka_topic_new(producer_.get(), made->name.c_str(), nullptr));
    made->unusable = usable(*made);
    made->asked = now;
    return *topics_.emplace(aggregate_type, std::move(made)).first->second;
}

std::string KafkaSink::usable(const Topic& topic) {
    if (!topic.handle) return "Kafka allows no topic of the name '" + topic.name + "'";
    const auto deadline =
        std::chrono::steady_clock::now() + std::chrono::milliseconds{admin_timeout_ms};
    for (bool created = false; std::chrono::steady_clock::now() < deadline;) {
        // Asking also tells the producer where the partitions are, so that the first event need not
        // wait.
        const auto state = ask(topic);
        if (state == RD_KAFKA_RESP_ERR_NO_ERROR) return {};
        if (state == RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE) {
            if (created) continue;
            return {};  // librdkafka waits for the leader, and other topics go on
        }
        if (state != RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART) {
            const auto reason = "topic '" + topic.name + "': " + rd_kafka_err2str(state);
            if (is_poison(state)) return reason;
            throw ProducerFailed{reason};
        }
        if (created) continue;  // not known everywhere yet
        if (!options_.create_topics)
            return "topic '" + topic.name +
                   "' does not exist: create it, or set kafka.create_topics = true";
        if (auto refused = create(topic.name); !refused.empty()) return refused;
        created = true;
    }
    throw ProducerFailed{"topic '" + topic.name + "' has no leader"};
}

rd_kafka_resp_err_t KafkaSink::ask(const Topic& topic) {
    const rd_kafka_metadata_t* found = nullptr;
    const auto error =
        rd_kafka_metadata(producer_.get(), 0, topic.handle.get(), &found, admin_timeout_ms);
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR)
        throw ProducerFailed{"no answer from Kafka at " + options_.brokers + " about topic '" +
                             topic.name + "': " + rd_kafka_err2str(error)};
    const std::unique_ptr<const rd_kafka_metadata_t, void (*)(const rd_kafka_metadata_t*)> freed{
        found, &rd_kafka_metadata_destroy};
    if (found->topic_cnt != 1) return RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
    const auto& answer = found->topics[0];
    if (answer.err != RD_KAFKA_RESP_ERR_NO_ERROR) return answer.err;
    const std::span partitions{answer.partitions, static_cast<std::size_t>(answer.partition_cnt)};
    const bool led = std::ranges::all_of(partitions, [](const auto& p) { return p.leader >= 0; });
    return led ? RD_KAFKA_RESP_ERR_NO_ERROR : RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE;
}

std::string KafkaSink::create(const std::string& name) {
    std::array<char, 512> why{};
    std::unique_ptr<rd_kafka_NewTopic_t, void (*)(rd_kafka_NewTopic_t*)> topic{
        rd_kafka_NewTopic_new(name.c_str(), options_.partitions, options_.replication, why.data(),
                              why.size()),
        &rd_kafka_NewTopic_destroy};
    if (!topic) return "topic '" + name + "' cannot be created: " + why.data();
    std::unique_ptr<rd_kafka_queue_t, void (*)(rd_kafka_queue_t*)> answers{
        rd_kafka_queue_new(producer_.get()), &rd_kafka_queue_destroy};
    rd_kafka_NewTopic_t* wanted = topic.get();
    rd_kafka_CreateTopics(producer_.get(), &wanted, 1, nullptr, answers.get());
    std::unique_ptr<rd_kafka_event_t, void (*)(rd_kafka_event_t*)> answer{
        rd_kafka_queue_poll(answers.get(), admin_timeout_ms), &rd_kafka_event_destroy};
    if (!answer || rd_kafka_event_error(answer.get()) != RD_KAFKA_RESP_ERR_NO_ERROR)
        throw ProducerFailed{"no answer from Kafka when creating topic '" + name + "'"};
    std::size_t count = 0;
    const auto* topics = rd_kafka_CreateTopics_result_topics(
        rd_kafka_event_CreateTopics_result(answer.get()), &count);
    const auto error = rd_kafka_topic_result_error(topics[0]);
    if (error == RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS) return {};
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR) {
        spdlog::info("created topic {} with {} partitions, replication {}", name,
                     options_.partitions, options_.replication);
        return {};
    }
    const std::string reason = std::string{"topic '"} + name + "' cannot be created: " +
                               rd_kafka_topic_result_error_string(topics[0]);
    if (is_poison(error)) return reason;
    throw ProducerFailed{reason};
}

KafkaSink::Answer KafkaSink::publish(const Row& row) {
    Topic& to = topic(row.aggregate_type);
    if (!to.unusable.empty()) {
        refusal_ = to.unusable;
        return Answer::refused;
    }
    auto headers = headers_of(row);
    void* value = row.value ? const_cast<char*>(row.value->data())
                            : nullptr;  // read only, by F_COPY's absence
    const std::size_t size = row.value ? row.value->size() : 0;
    const auto error =
        rd_kafka_producev(producer_.get(), RD_KAFKA_V_RKT(to.handle.get()),
                          RD_KAFKA_V_PARTITION(RD_KAFKA_PARTITION_UA),
                          RD_KAFKA_V_KEY(row.aggregate_id.data(), row.aggregate_id.size()),
                          RD_KAFKA_V_VALUE(value, size), RD_KAFKA_V_HEADERS(headers.get()),
                          RD_KAFKA_V_OPAQUE(const_cast<Row*>(&row)), RD_KAFKA_V_END);
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR) {
        static_cast<void>(headers.release());  // librdkafka's now
        return Answer::queued;
    }
    if (error == RD_KAFKA_RESP_ERR__QUEUE_FULL) return Answer::full;
    if (is_poison(error)) {
        refusal_ = rd_kafka_err2str(error);
        return Answer::refused;
    }
    throw ProducerFailed{std::string{"Kafka takes no message: "} + rd_kafka_err2str(error)};
}

void KafkaSink::delivered(const rd_kafka_message_t& message) {
    const auto* row = static_cast<const Row*>(message._private);
    if (message.err == RD_KAFKA_RESP_ERR_NO_ERROR) {
        --row->batch->undelivered;
    } else if (is_poison(message.err)) {
        refused_.push_back({row, rd_kafka_err2str(message.err)});
    } else if (failure_.empty()) {
        failure_ = rd_kafka_err2str(message.err);
    }
}

void KafkaSink::serve(std::chrono::milliseconds limit) {
    rd_kafka_poll(producer_.get(), static_cast<int>(limit.count()));
    fail_if_fatal();
}

void KafkaSink::collect() { rd_kafka_poll(producer_.get(), 100); }

void KafkaSink::fail_if_fatal() {
    if (!refused_.empty())
        throw ProducerFailed{"Kafka refused a message: " + refused_.front().error};
    std::array<char, 512> why{};
    if (rd_kafka_fatal_error(producer_.get(), why.data(), why.size()) != RD_KAFKA_RESP_ERR_NO_ERROR)
        throw ProducerFailed{std::string{"the Kafka producer failed for good: "} + why.data()};
    if (!failure_.empty()) throw ProducerFailed{"a message was not delivered: " + failure_};
}

}  // namespace relay

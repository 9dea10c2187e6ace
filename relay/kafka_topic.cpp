#include "relay/kafka_topic.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <array>
#include <span>

namespace relay {
namespace {

constexpr int admin_timeout_ms = 10'000;
constexpr std::chrono::milliseconds ask_again_after{100};  // about a topic that could not be used

}  // namespace

bool is_poison(rd_kafka_resp_err_t error) {
    static constexpr std::array poison{
        RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE,   RD_KAFKA_RESP_ERR_INVALID_MSG_SIZE,
        RD_KAFKA_RESP_ERR_INVALID_MSG,          RD_KAFKA_RESP_ERR_INVALID_RECORD,
        RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION,      RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART,
        RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC,       RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION,
        RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE};
    return std::ranges::find(poison, error) != poison.end();
}

bool is_unknown_topic(rd_kafka_resp_err_t error) {
    return error == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART ||
           error == RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC ||
           error == RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION;
}

const std::string& KafkaSink::topic_name(const Row& row) { return topic(row).name; }

KafkaSink::Topic& KafkaSink::topic(const Row& row) {
    const auto parts = options_.routing.parts(row.aggregate_type, row.type);
    auto route = routes_.find(parts);
    if (route == routes_.end()) {
        // Several routes may lead to one topic.
        const auto name = options_.routing.topic(parts);
        auto& made = topics_[name];
        if (!made) made = make_topic(name);
        route = routes_.emplace(parts, made.get()).first;
    }
    Topic& topic = *route->second;
    if (topic.asked && topic.unusable.empty()) return topic;
    const auto now = std::chrono::steady_clock::now();
    if (!topic.asked || now - *topic.asked > ask_again_after) {
        topic.unusable = usable(topic);
        topic.asked = now;
    }
    return topic;
}

std::unique_ptr<KafkaSink::Topic> KafkaSink::make_topic(std::string name) {
    auto made = std::make_unique<Topic>();
    made->name = std::move(name);
    if (!fault_of_topic(made->name).empty()) return made;
    made->choose = partitioner_;
    auto* const conf = rd_kafka_default_topic_conf_dup(producer_.get());
    rd_kafka_topic_conf_set_opaque(conf, made.get());
    rd_kafka_topic_conf_set_partitioner_cb(
        conf, [](const rd_kafka_topic_t* handle, const void* key, std::size_t size,
                 std::int32_t count, void* self, void* row) {
            auto& topic = *static_cast<Topic*>(self);
            const auto chosen = topic.choose(handle, key, size, count, self, row);
            topic.chosen = chosen;
            return chosen;
        });
    made->handle.reset(rd_kafka_topic_new(producer_.get(), made->name.c_str(), conf));
    if (!made->handle) throw ProducerFailed{"librdkafka takes no topic '" + made->name + "'"};
    return made;
}

std::string KafkaSink::usable(const Topic& topic) {
    if (!topic.handle) return fault_of_topic(topic.name);
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
            return "topic '" + topic.name + "' does not exist: create it" +
                   (topic.is_position ? ", with one partition and cleanup.policy=compact" : "") +
                   ", or set kafka.create_topics = true";
        if (auto refused = create(topic); !refused.empty()) return refused;
        created = true;
    }
    throw ProducerFailed{"topic '" + topic.name + "' has no leader"};
}

rd_kafka_resp_err_t KafkaSink::ask(const Topic& topic) {
    const rd_kafka_metadata_t* found = nullptr;
    const auto error =
        rd_kafka_metadata(producer_.get(), 0, topic.handle.get(), &found, admin_timeout_ms);
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
        last_error_ = rd_kafka_err2str(error);
        rd_kafka_poll(producer_.get(), 0);  // tells of the cause, such as a wrong password
        throw ProducerFailed{"no answer from Kafka at " + options_.brokers + " about topic '" +
                             topic.name + "': " + last_error_};
    }
    const std::unique_ptr<const rd_kafka_metadata_t, void (*)(const rd_kafka_metadata_t*)> freed{
        found, &rd_kafka_metadata_destroy};
    if (found->topic_cnt != 1) return RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
    const auto& answer = found->topics[0];
    if (answer.err != RD_KAFKA_RESP_ERR_NO_ERROR) return answer.err;
    const std::span partitions{answer.partitions, static_cast<std::size_t>(answer.partition_cnt)};
    const bool led = std::ranges::all_of(partitions, [](const auto& p) { return p.leader >= 0; });
    return led ? RD_KAFKA_RESP_ERR_NO_ERROR : RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE;
}

std::string KafkaSink::create(const Topic& topic) {
    const auto& name = topic.name;
    const int partitions = topic.is_position ? 1 : options_.partitions;
    std::array<char, 512> why{};
    const std::unique_ptr<rd_kafka_NewTopic_t, void (*)(rd_kafka_NewTopic_t*)> draft{
        rd_kafka_NewTopic_new(name.c_str(), partitions, options_.replication, why.data(),
                              why.size()),
        &rd_kafka_NewTopic_destroy};
    if (!draft) return "topic '" + name + "' cannot be created: " + why.data();
    std::unique_ptr<rd_kafka_queue_t, void (*)(rd_kafka_queue_t*)> answers{
        rd_kafka_queue_new(producer_.get()), &rd_kafka_queue_destroy};
    rd_kafka_NewTopic_t* wanted = draft.get();
    if (topic.is_position) {
        rd_kafka_NewTopic_set_config(wanted, "cleanup.policy", "compact");
        rd_kafka_NewTopic_set_config(wanted, "segment.bytes", "1048576");  // recovery reads it all
    }
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
        spdlog::info("created topic {} with {} partitions, replication {}", name, partitions,
                     options_.replication);
        return {};
    }
    std::string reason =
        "topic '" + name + "' cannot be created: " + rd_kafka_topic_result_error_string(topics[0]);
    if (error == RD_KAFKA_RESP_ERR_INVALID_REPLICATION_FACTOR)
        reason += " (kafka.replication = " + std::to_string(options_.replication) + ")";
    if (is_poison(error)) return reason;
    throw ProducerFailed{reason};
}

}  // namespace relay

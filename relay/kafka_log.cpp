#include "relay/kafka_log.hpp"

#include <algorithm>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <stdexcept>
#include <string_view>
#include <utility>

#include "relay/kafka_sink.hpp"

namespace relay {
namespace {

using namespace std::chrono_literals;
using Partitions =
    std::unique_ptr<rd_kafka_topic_partition_list_t, void (*)(rd_kafka_topic_partition_list_t*)>;
using Message = std::unique_ptr<rd_kafka_message_t, void (*)(rd_kafka_message_t*)>;
using Metadata = std::unique_ptr<const rd_kafka_metadata_t, void (*)(const rd_kafka_metadata_t*)>;
constexpr int answer_ms = 10'000;
constexpr auto silence = 30s;

void expect(rd_kafka_resp_err_t error, const std::string& doing) {
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR)
        throw std::runtime_error{"Kafka: cannot " + doing + ": " + rd_kafka_err2str(error)};
}

Metadata ask(rd_kafka_t* client) {
    const rd_kafka_metadata_t* answer = nullptr;
    expect(rd_kafka_metadata(client, 1, nullptr, &answer, answer_ms), "list the topics");
    return {answer, &rd_kafka_metadata_destroy};
}

bool is_id(std::string_view text) {
    constexpr std::string_view like = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
    return std::ranges::equal(text, like, [](char c, char wanted) {
        return wanted == '-' ? c == '-' : (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
    });
}

std::map<std::string, std::string> headers_of(const rd_kafka_message_t* message) {
    std::map<std::string, std::string> all;
    rd_kafka_headers_t* headers = nullptr;
    if (rd_kafka_message_headers(message, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR) return all;
    const char* name = nullptr;
    const void* value = nullptr;
    std::size_t size = 0;
    for (std::size_t i = 0;
         rd_kafka_header_get_all(headers, i, &name, &value, &size) == RD_KAFKA_RESP_ERR_NO_ERROR;
         ++i)
        all.emplace(name, std::string{static_cast<const char*>(value), size});
    return all;
}

// In whichever format it was published: the setting may have been another one then.
std::pair<std::string, std::string> identify(const rd_kafka_message_t& message) {
    auto headers = headers_of(&message);
    if (headers.contains("postroom-replay")) return {};
    if (headers.contains("id")) return {headers["id"], headers["type"]};
    if (headers.contains("ce_id")) return {headers["ce_id"], headers["ce_type"]};
    if (!headers["content-type"].starts_with("application/cloudevents+json")) return {};
    const std::string_view text{static_cast<const char*>(message.payload), message.len};
    const auto envelope = nlohmann::json::parse(text, nullptr, false);
    if (!envelope.is_object()) return {};
    return {envelope.value("id", std::string{}), envelope.value("type", std::string{})};
}

std::optional<KafkaLog::Event> to_event(const rd_kafka_message_t& message) {
    auto [id, type] = identify(message);
    if (!is_id(id)) return std::nullopt;
    return KafkaLog::Event{
        .id = std::move(id),
        .key = {static_cast<const char*>(message.key), message.key_len},
        .type = std::move(type),
        .topic = rd_kafka_topic_name(message.rkt),
        .partition = message.partition,
        .offset = message.offset,
        .at = std::chrono::milliseconds{rd_kafka_message_timestamp(&message, nullptr)}};
}

// Where each partition of the topics is at that time, without those that hold nothing younger.
Partitions begin_at(rd_kafka_t* client, const std::vector<std::string>& topics,
                    std::chrono::milliseconds since) {
    Partitions all{rd_kafka_topic_partition_list_new(1), &rd_kafka_topic_partition_list_destroy};
    const auto known = ask(client);
    for (int i = 0; i < known->topic_cnt; ++i) {
        const auto& topic = known->topics[i];
        if (std::ranges::find(topics, topic.topic) == topics.end()) continue;
        for (int p = 0; p < topic.partition_cnt; ++p)
            rd_kafka_topic_partition_list_add(all.get(), topic.topic, topic.partitions[p].id)
                ->offset = since.count();
    }
    if (all->cnt > 0)
        expect(rd_kafka_offsets_for_times(client, all.get(), answer_ms), "look up a time");
    for (int i = all->cnt - 1; i >= 0; --i) {
        expect(all->elems[i].err, "look up a time");
        if (all->elems[i].offset < 0) rd_kafka_topic_partition_list_del_by_idx(all.get(), i);
    }
    return all;
}

using Ends = std::map<std::pair<std::string, int>, std::int64_t>;

Ends ends_of(rd_kafka_t* client, const rd_kafka_topic_partition_list_t& all) {
    Ends ends;
    for (int i = 0; i < all.cnt; ++i) {
        const auto& one = all.elems[i];
        std::int64_t low = 0, high = 0;
        expect(rd_kafka_query_watermark_offsets(client, one.topic, one.partition, &low, &high,
                                                answer_ms),
               std::string{"find the end of "} + one.topic);
        ends[{one.topic, one.partition}] = high;
    }
    return ends;
}

}  // namespace

KafkaHandle make_reader(const KafkaOptions& options) {
    std::map<std::string, std::string> properties{{"bootstrap.servers", options.brokers},
                                                  {"client.id", "postroom"},
                                                  {"group.id", "postroom"},  // never joined
                                                  {"enable.auto.commit", "false"},
                                                  {"enable.partition.eof", "true"},
                                                  {"isolation.level", "read_committed"},
                                                  {"fetch.wait.max.ms", "10"},
                                                  {"auto.offset.reset", "earliest"},
                                                  {"log_level", "4"}};
    for (const auto& [name, value] : options.properties) properties[name] = value;
    auto reader = make_client(RD_KAFKA_CONSUMER, make_conf(properties));
    rd_kafka_poll_set_consumer(reader.get());
    return reader;
}

KafkaLog::KafkaLog(const KafkaOptions& options) : reader_{make_reader(options)} {}

std::vector<std::string> KafkaLog::topics() const {
    const auto known = ask(reader_.get());
    std::vector<std::string> names;
    names.reserve(static_cast<std::size_t>(known->topic_cnt));
    for (int i = 0; i < known->topic_cnt; ++i) names.emplace_back(known->topics[i].topic);
    std::ranges::sort(names);
    return names;
}

void KafkaLog::read(const std::vector<std::string>& topics, std::chrono::milliseconds since,
                    const std::function<void(const Event&)>& take) const {
    const auto all = begin_at(reader_.get(), topics, since);
    auto ends = ends_of(reader_.get(), *all);
    expect(rd_kafka_assign(reader_.get(), all.get()), "read the topics");
    auto heard = std::chrono::steady_clock::now();
    while (!ends.empty()) {
        const Message message{rd_kafka_consumer_poll(reader_.get(), 200),
                              &rd_kafka_message_destroy};
        const auto now = std::chrono::steady_clock::now();
        if (!message || (message->err != RD_KAFKA_RESP_ERR_NO_ERROR &&
                         message->err != RD_KAFKA_RESP_ERR__PARTITION_EOF)) {
            if (message && message->err >= RD_KAFKA_RESP_ERR_UNKNOWN)
                expect(message->err, "read the topics");
            if (now - heard > silence) throw std::runtime_error{"Kafka gives nothing for too long"};
            continue;
        }
        heard = now;
        const auto end = ends.find({rd_kafka_topic_name(message->rkt), message->partition});
        if (end == ends.end()) continue;
        const bool at_end = message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF;
        if (!at_end && message->offset < end->second) {
            if (const auto event = to_event(*message)) take(*event);
        }
        // Behind the last event there may be a transaction's marker, which is not given.
        if (at_end || message->offset + 1 >= end->second) ends.erase(end);
    }
    rd_kafka_assign(reader_.get(), nullptr);
}

}  // namespace relay

#include "kafka_consumer.hpp"

#include <algorithm>
#include <array>
#include <format>
#include <nlohmann/json.hpp>
#include <span>
#include <stdexcept>
#include <utility>

#include "kafka_conf.hpp"

namespace outbox {
namespace {

using Partitions =
    std::unique_ptr<rd_kafka_topic_partition_list_t, void (*)(rd_kafka_topic_partition_list_t*)>;

Partitions list(std::size_t size) {
    return {rd_kafka_topic_partition_list_new(static_cast<int>(size)),
            &rd_kafka_topic_partition_list_destroy};
}

// Null when it cannot be told.
Partitions assignment_of(rd_kafka_t* consumer) {
    rd_kafka_topic_partition_list_t* assignment = nullptr;
    rd_kafka_assignment(consumer, &assignment);
    return {assignment, &rd_kafka_topic_partition_list_destroy};
}

constexpr int answer_ms = 1000;  // to wait for what only lag() needs

bool is_text(const std::string& bytes) {
    const bool plain = std::ranges::all_of(bytes, [](char c) { return c > 0; });
    if (plain) return true;
    if (bytes.contains('\0')) return false;  // which PostgreSQL keeps in no text
    try {
        static_cast<void>(nlohmann::json(bytes).dump());
        return true;
    } catch (const nlohmann::json::type_error&) {
        return false;
    }
}

// PostgreSQL's text is UTF-8: anything else makes the message malformed, and is kept in hex.
void keep_as_text(Delivery& delivery, std::string& bytes, const std::string& what) {
    if (is_text(bytes)) return;
    std::string hex = "\\x";
    for (const char c : bytes) hex += std::format("{:02x}", static_cast<unsigned char>(c));
    bytes = std::move(hex);
    if (delivery.malformed.empty()) delivery.malformed = what + " is not UTF-8 text";
}

}  // namespace

KafkaConsumer::KafkaConsumer(const ConsumerOptions& options, std::function<void()> on_revoke)
    : log_{options.log}, on_revoke_{std::move(on_revoke)}, consumer_{nullptr, &rd_kafka_destroy} {
    auto conf = make_conf(options);
    std::array<char, 512> why{};
    rd_kafka_conf_set_opaque(conf.get(), this);
    rd_kafka_conf_set_rebalance_cb(
        conf.get(),
        [](rd_kafka_t*, rd_kafka_resp_err_t what, rd_kafka_topic_partition_list_t* partitions,
           void* self) { static_cast<KafkaConsumer*>(self)->rebalance(what, partitions); });
    rd_kafka_conf_set_error_cb(conf.get(), [](rd_kafka_t*, int, const char* reason, void* self) {
        static_cast<KafkaConsumer*>(self)->log_(std::string{"kafka: "} + reason);
    });
    consumer_.reset(rd_kafka_new(RD_KAFKA_CONSUMER, conf.get(), why.data(), why.size()));
    if (!consumer_)
        throw std::invalid_argument{std::string{"cannot make a Kafka consumer: "} + why.data()};
    static_cast<void>(conf.release());  // the consumer owns it now
    rd_kafka_poll_set_consumer(consumer_.get());
    const auto topics = list(options.topics.size());
    for (const auto& topic : options.topics)
        rd_kafka_topic_partition_list_add(topics.get(), topic.c_str(), RD_KAFKA_PARTITION_UA);
    if (const auto error = rd_kafka_subscribe(consumer_.get(), topics.get());
        error != RD_KAFKA_RESP_ERR_NO_ERROR)
        throw std::invalid_argument{std::string{"cannot subscribe: "} + rd_kafka_err2str(error)};
}

KafkaConsumer::~KafkaConsumer() { close(); }

void KafkaConsumer::close() {
    if (consumer_ && rd_kafka_consumer_closed(consumer_.get()) == 0)
        rd_kafka_consumer_close(consumer_.get());
}

void KafkaConsumer::rebalance(rd_kafka_resp_err_t what,
                              rd_kafka_topic_partition_list_t* partitions) {
    if (what == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) {
        rd_kafka_assign(consumer_.get(), partitions);
        member_ = true;
        paused_ = false;
        to_learn_ = true;
        return;
    }
    on_revoke_();
    to_learn_ = false;
    // Others come and go: that is no reason to be taken for ill, and out of service.
    if (rd_kafka_assignment_lost(consumer_.get()) != 0) member_ = false;
    rd_kafka_assign(consumer_.get(), nullptr);
    const std::scoped_lock lock(mutex_);
    committed_.clear();
}

// Where nothing is committed, the oldest record stands for it.
void KafkaConsumer::learn_committed() {
    const auto asked = assignment_of(consumer_.get());
    if (!asked ||
        rd_kafka_committed(consumer_.get(), asked.get(), answer_ms) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return;
    keep_committed(*asked);
    const auto fresh = list(0);
    for (const auto& each : std::span{asked->elems, static_cast<std::size_t>(asked->cnt)}) {
        if (each.err == RD_KAFKA_RESP_ERR_NO_ERROR && each.offset < 0)
            rd_kafka_topic_partition_list_add(fresh.get(), each.topic, each.partition)->offset =
                RD_KAFKA_OFFSET_BEGINNING;
    }
    if (fresh->cnt == 0) return;
    static_cast<void>(rd_kafka_offsets_for_times(consumer_.get(), fresh.get(), answer_ms));
    keep_committed(*fresh);
}

void KafkaConsumer::keep_committed(const rd_kafka_topic_partition_list_t& offsets) {
    const std::scoped_lock lock(mutex_);
    for (const auto& each : std::span{offsets.elems, static_cast<std::size_t>(offsets.cnt)}) {
        if (each.err == RD_KAFKA_RESP_ERR_NO_ERROR && each.offset >= 0)
            committed_[{each.topic, each.partition}] = each.offset;
    }
}

std::vector<PartitionLag> KafkaConsumer::lag() const {
    std::vector<PartitionLag> all;
    const std::scoped_lock lock(mutex_);
    all.reserve(committed_.size());
    for (const auto& [partition, committed] : committed_) {
        const auto& [topic, number] = partition;
        std::int64_t oldest = 0, end = 0;
        const auto error =
            rd_kafka_get_watermark_offsets(consumer_.get(), topic.c_str(), number, &oldest, &end);
        if (error != RD_KAFKA_RESP_ERR_NO_ERROR || end < 0) continue;
        all.push_back({topic, number, std::max<std::int64_t>(end - committed, 0)});
    }
    return all;
}

std::optional<Delivery> KafkaConsumer::poll(std::chrono::milliseconds limit) {
    const std::unique_ptr<rd_kafka_message_t, void (*)(rd_kafka_message_t*)> message{
        rd_kafka_consumer_poll(consumer_.get(), static_cast<int>(limit.count())),
        &rd_kafka_message_destroy};
    // Not while the group waits for the end of rebalance().
    if (std::exchange(to_learn_, false)) learn_committed();
    if (!message) return std::nullopt;
    if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) return delivery(*message);
    std::array<char, 512> why{};
    if (rd_kafka_fatal_error(consumer_.get(), why.data(), why.size()) != RD_KAFKA_RESP_ERR_NO_ERROR)
        throw std::runtime_error{std::string{"the Kafka consumer failed for good: "} + why.data()};
    log_(std::string{"kafka: "} + rd_kafka_message_errstr(message.get()));
    return std::nullopt;
}

Delivery KafkaConsumer::delivery(const rd_kafka_message_t& message) const {
    Delivery delivery;
    auto& event = delivery.message;
    event.topic = rd_kafka_topic_name(message.rkt);
    event.partition = message.partition;
    event.offset = message.offset;
    if (message.key != nullptr)
        event.key.assign(static_cast<const char*>(message.key), message.key_len);
    if (message.payload != nullptr)
        event.payload.assign(static_cast<const char*>(message.payload), message.len);
    rd_kafka_headers_t* headers = nullptr;
    if (rd_kafka_message_headers(&message, &headers) == RD_KAFKA_RESP_ERR_NO_ERROR) {
        const char* name = nullptr;
        const void* value = nullptr;
        std::size_t size = 0;
        for (std::size_t i = 0; rd_kafka_header_get_all(headers, i, &name, &value, &size) ==
                                RD_KAFKA_RESP_ERR_NO_ERROR;
             ++i)
            event.headers[name] =
                std::string{static_cast<const char*>(value), value != nullptr ? size : 0};
    }
    keep_as_text(delivery, event.key, "the key");
    for (auto& [header, text] : event.headers) keep_as_text(delivery, text, "header " + header);
    try {
        event.id = EventId::parse(event.headers.contains("id") ? event.headers["id"] : "");
    } catch (const std::invalid_argument& error) {
        if (delivery.malformed.empty())
            delivery.malformed = std::string{"header id: "} + error.what();
    }
    event.type = event.headers.contains("type") ? event.headers["type"] : "";
    return delivery;
}

void KafkaConsumer::commit(const Offsets::Positions& positions) {
    if (positions.empty()) return;
    const auto offsets = list(positions.size());
    for (const auto& [partition, offset] : positions)
        rd_kafka_topic_partition_list_add(offsets.get(), partition.first.c_str(), partition.second)
            ->offset = offset;
    const auto error = rd_kafka_commit(consumer_.get(), offsets.get(), 0);
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR)
        return log_(std::string{"offsets not committed: "} + rd_kafka_err2str(error));
    keep_committed(*offsets);
}

void KafkaConsumer::pause(bool paused) {
    if (paused == paused_) return;
    const auto assignment = assignment_of(consumer_.get());
    if (!assignment) return;
    if (paused) {
        rd_kafka_pause_partitions(consumer_.get(), assignment.get());
    } else {
        rd_kafka_resume_partitions(consumer_.get(), assignment.get());
    }
    paused_ = paused;
}

}  // namespace outbox

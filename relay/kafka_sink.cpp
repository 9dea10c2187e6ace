#include "relay/kafka_sink.hpp"

#include <spdlog/spdlog.h>

#include <array>
#include <atomic>
#include <chrono>
#include <nlohmann/json.hpp>

#include "faults.hpp"
#include "relay/kafka_topic.hpp"
#include "relay/tracing.hpp"

namespace relay {
namespace {

const std::map<std::string, decltype(&rd_kafka_msg_partitioner_murmur2)> partitioners{
    {"random", rd_kafka_msg_partitioner_random},
    {"consistent", rd_kafka_msg_partitioner_consistent},
    {"consistent_random", rd_kafka_msg_partitioner_consistent_random},
    {"murmur2", rd_kafka_msg_partitioner_murmur2},
    {"murmur2_random", rd_kafka_msg_partitioner_murmur2_random},
    {"fnv1a", rd_kafka_msg_partitioner_fnv1a},
    {"fnv1a_random", rd_kafka_msg_partitioner_fnv1a_random}};

}  // namespace

KafkaSink::KafkaSink(const KafkaOptions& options, Batches batches,
                     const std::optional<Transactional>& transactional)
    : options_{options}, transactional_{transactional}, format_{options.format, options.source} {
    std::map<std::string, std::string> properties{
        {"bootstrap.servers", options.brokers},
        {"client.id", "postroom"},
        // Asking about a topic must not create it: its partitions are ours to state.
        {"allow.auto.create.topics", "false"},
        {"enable.idempotence", "true"},
        {"enable.gapless.guarantee", "true"},
        {"message.timeout.ms", "0"},
        {"partitioner",
         "murmur2_random"},  // as Java's clients do, so that keys land where theirs do
        {"compression.codec", options.compression},
        {"linger.ms", "1"},
        {"batch.size", std::to_string(batches.bytes)},
        {"batch.num.messages", batches.one_by_one ? "1" : "10000"},
        {"queue.buffering.max.messages", "16000"},
        {"queue.buffering.max.kbytes", "16384"},
        {"reconnect.backoff.max.ms", "1000"},
        {"log_level", "4"}};
    if (transactional_) {
        for (const auto& [name, value] :
             KafkaTransactions::properties(transactional_->id, transactional_->timeout))
            properties[name] = value;
    }
    if (faults::mutant("acks_1")) {
        properties["enable.idempotence"] = properties["enable.gapless.guarantee"] = "false";
        properties["acks"] = "1";
    }
    if (faults::mutant("ack_on_send")) {
        properties["enable.idempotence"] = properties["enable.gapless.guarantee"] = "false";
        properties["acks"] = "0";
    }
    for (const auto& [name, value] : options.properties) properties[name] = value;
    const auto known = partitioners.find(properties["partitioner"]);
    if (known == partitioners.end())
        throw std::invalid_argument{"kafka.properties.partitioner = '" + properties["partitioner"] +
                                    "' is none of librdkafka's"};
    partitioner_ = known->second;
    auto conf = make_conf(properties);
    rd_kafka_conf_set_opaque(conf.get(), this);
    rd_kafka_conf_set_dr_msg_cb(conf.get(),
                                [](rd_kafka_t*, const rd_kafka_message_t* message, void* self) {
                                    static_cast<KafkaSink*>(self)->delivered(*message);
                                });
    rd_kafka_conf_set_error_cb(conf.get(),
                               [](rd_kafka_t*, int error, const char* reason, void* self) {
                                   log_error(error, reason);
                                   static_cast<KafkaSink*>(self)->last_error_ = reason;
                               });
    producer_ = make_client(RD_KAFKA_PRODUCER, std::move(conf));
}

KafkaSink::~KafkaSink() {
    transactions_.reset();
    rd_kafka_purge(producer_.get(), RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
    rd_kafka_poll(producer_.get(), 0);
    topics_.clear();
    position_topic_.reset();
}

std::size_t KafkaSink::in_flight() const {
    return static_cast<std::size_t>(rd_kafka_outq_len(producer_.get()));
}

std::optional<std::string> KafkaSink::recover(const std::function<void()>& check) {
    position_topic_ = make_topic(transactional_->position_topic);
    position_topic_->is_position = true;
    if (const auto why = usable(*position_topic_); !why.empty()) throw ProducerFailed{why};
    transactions_ =
        std::make_unique<KafkaTransactions>(producer_.get(), position_topic_->handle.get());
    transactions_->initialize(check);
    faults::crash_point("after_fence");
    return last_position(options_, transactional_->position_topic, check);
}

void KafkaSink::commit(const std::string& position) {
    transactions_->commit(position);
    fail_if_fatal();
}

KafkaSink::Answer KafkaSink::publish(const Row& row) {
    Topic& to = topic(row);
    if (!to.unusable.empty()) {
        refusal_ = to.unusable;
        return Answer::refused;
    }
    if (opening_ != nullptr) return Answer::full;
    MessageFormat::Message message;
    try {
        message = format_(row, to.name);
    } catch (const nlohmann::json::exception& error) {  // jsonb holds numbers beyond a double
        refusal_ = std::string{"its headers cannot be read: "} + error.what();
        return Answer::refused;
    }
    // Read only, by F_COPY's absence.
    void* value = message.value ? const_cast<char*>(message.value->data()) : nullptr;
    const std::size_t size = message.value ? message.value->size() : 0;
    if (transactions_) transactions_->begin();
    to.chosen = -1;
    const auto error =
        rd_kafka_producev(producer_.get(), RD_KAFKA_V_RKT(to.handle.get()),
                          RD_KAFKA_V_PARTITION(RD_KAFKA_PARTITION_UA),
                          RD_KAFKA_V_MSGFLAGS(message.transient ? RD_KAFKA_MSG_F_COPY : 0),
                          RD_KAFKA_V_KEY(row.aggregate_id.data(), row.aggregate_id.size()),
                          RD_KAFKA_V_VALUE(value, size), RD_KAFKA_V_HEADERS(message.headers.get()),
                          RD_KAFKA_V_OPAQUE(const_cast<Row*>(&row)), RD_KAFKA_V_END);
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR) {
        static_cast<void>(message.headers.release());  // librdkafka's now
        const auto partition = static_cast<std::size_t>(to.chosen.load());
        const bool opened = partition < to.opened.size() && to.opened[partition];
        if (!opened && !faults::mutant("unopened")) opening_ = &row;
        return Answer::queued;
    }
    if (error == RD_KAFKA_RESP_ERR__QUEUE_FULL) return Answer::full;
    if (is_poison(error)) {
        refusal_ = rd_kafka_err2str(error);
        if (row.batch->trace) Tracing::active()->refused(row, refusal_);
        return Answer::refused;
    }
    throw ProducerFailed{std::string{"Kafka takes no message: "} + rd_kafka_err2str(error)};
}

void KafkaSink::delivered(const rd_kafka_message_t& message) {
    const auto* row = static_cast<const Row*>(message._private);
    if (row == nullptr) return;  // a position: the commit tells
    if (message.err == RD_KAFKA_RESP_ERR_NO_ERROR) {
        if (row->batch->trace)
            Tracing::active()->acknowledged(*row, message.partition, message.offset);
        --row->batch->undelivered;
        ++acknowledged_;
        if (row == opening_) {
            opening_ = nullptr;
            auto& opened = static_cast<Topic*>(rd_kafka_topic_opaque(message.rkt))->opened;
            const auto partition = static_cast<std::size_t>(message.partition);
            if (opened.size() <= partition) opened.resize(partition + 1);
            opened[partition] = true;
        }
    } else if (is_poison(message.err)) {
        const auto& topic = *static_cast<const Topic*>(rd_kafka_topic_opaque(message.rkt));
        if (refused_.empty() && !topic.opened.empty() && is_unknown_topic(message.err) &&
            !faults::mutant("no_alarm"))
            spdlog::error(
                "topic {} was deleted, with the events that it held; outbox.rebase repeats them",
                topic.name);
        refused_.push_back({row, rd_kafka_err2str(message.err)});
        if (row->batch->trace) Tracing::active()->refused(*row, refused_.back().error);
    } else if (failure_.empty()) {
        failure_ = rd_kafka_err2str(message.err);
    }
}

void KafkaSink::serve(std::chrono::milliseconds limit) {
    // Nothing can follow what opens a partition, so that it need not linger.
    if (opening_ != nullptr) return flush(limit);
    rd_kafka_poll(producer_.get(), static_cast<int>(limit.count()));
    fail_if_fatal();
}

void KafkaSink::flush(std::chrono::milliseconds limit) {
    rd_kafka_flush(producer_.get(), static_cast<int>(limit.count()));
    fail_if_fatal();
}

void KafkaSink::collect() { rd_kafka_poll(producer_.get(), 100); }

void KafkaSink::fail_if_fatal() {
    if (faults::mutant("no_recreate")) return;
    if (!refused_.empty())
        throw ProducerFailed{"Kafka refused a message: " + refused_.front().error};
    std::array<char, 512> why{};
    if (rd_kafka_fatal_error(producer_.get(), why.data(), why.size()) != RD_KAFKA_RESP_ERR_NO_ERROR)
        throw ProducerFailed{std::string{"the Kafka producer failed for good: "} + why.data()};
    if (!failure_.empty()) throw ProducerFailed{"a message was not delivered: " + failure_};
}

}  // namespace relay

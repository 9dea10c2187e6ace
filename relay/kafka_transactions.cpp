#include "relay/kafka_transactions.hpp"

#include <memory>

#include "faults.hpp"
#include "relay/kafka_log.hpp"
#include "relay/kafka_sink.hpp"

namespace relay {
namespace {

using Error = std::unique_ptr<rd_kafka_error_t, void (*)(rd_kafka_error_t*)>;
constexpr int step_ms = 200;
constexpr int abort_ms = 2000;

Error own(rd_kafka_error_t* error) { return {error, &rd_kafka_error_destroy}; }

[[noreturn]] void fail(const std::string& doing, const rd_kafka_error_t* error) {
    throw ProducerFailed{doing + ": " + rd_kafka_error_string(error)};
}

}  // namespace

std::map<std::string, std::string> KafkaTransactions::properties(
    const std::string& id, std::chrono::milliseconds timeout) {
    return {{"transactional.id", id},
            {"transaction.timeout.ms", std::to_string(timeout.count())},
            // A gap aborts the transaction, and all of it is sent again.
            {"enable.gapless.guarantee", "false"},
            {"message.timeout.ms", std::to_string(timeout.count())},
            // A commit waits for all of them anyway, and the pieces of four times as many scatter
            // in the allocator's pages: 65 to 80 MB of memory rather than 40.
            {"queue.buffering.max.messages", "4000"}};
}

KafkaTransactions::~KafkaTransactions() {
    // Else consumers would wait for the open transaction's time-out.
    if (open_) own(rd_kafka_abort_transaction(producer_, abort_ms));
}

void KafkaTransactions::initialize(const std::function<void()>& check) {
    for (;;) {
        const auto error = own(rd_kafka_init_transactions(producer_, step_ms));
        if (!error) return;
        if (rd_kafka_error_is_retriable(error.get()) == 0)
            fail("Kafka allows no transactions", error.get());
        check();
    }
}

void KafkaTransactions::begin() {
    if (open_) return;
    if (const auto error = own(rd_kafka_begin_transaction(producer_)))
        fail("cannot begin a Kafka transaction", error.get());
    open_ = true;
}

void KafkaTransactions::commit(const std::string& position) {
    const auto refused = rd_kafka_producev(
        producer_, RD_KAFKA_V_RKT(positions_), RD_KAFKA_V_PARTITION(0),
        RD_KAFKA_V_KEY("position", 8), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
        RD_KAFKA_V_VALUE(const_cast<char*>(position.data()), position.size()), RD_KAFKA_V_END);
    if (refused != RD_KAFKA_RESP_ERR_NO_ERROR)
        throw ProducerFailed{std::string{"Kafka does not take the position: "} +
                             rd_kafka_err2str(refused)};
    faults::crash_point("before_commit");
    // Not in slices: any other time-out than the transaction's own may confuse librdkafka's state.
    if (const auto error = own(rd_kafka_commit_transaction(producer_, -1)))
        fail("the Kafka transaction was not committed", error.get());
    open_ = false;
    faults::crash_point("after_commit");
}

std::optional<std::string> last_position(const KafkaOptions& options,
                                         const std::string& position_topic,
                                         const std::function<void()>& check) {
    const auto consumer = make_reader(options);
    const std::unique_ptr<rd_kafka_topic_partition_list_t,
                          void (*)(rd_kafka_topic_partition_list_t*)>
        all{rd_kafka_topic_partition_list_new(1), &rd_kafka_topic_partition_list_destroy};
    // Not RD_KAFKA_OFFSET_BEGINNING: librdkafka would first wait half a second for a leader.
    rd_kafka_topic_partition_list_add(all.get(), position_topic.c_str(), 0)->offset = 0;
    rd_kafka_assign(consumer.get(), all.get());
    std::optional<std::string> last;
    for (;;) {
        const std::unique_ptr<rd_kafka_message_t, void (*)(rd_kafka_message_t*)> message{
            rd_kafka_consumer_poll(consumer.get(), step_ms), &rd_kafka_message_destroy};
        check();
        if (!message) continue;
        if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) return last;
        if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
            if (rd_kafka_fatal_error(consumer.get(), nullptr, 0) == RD_KAFKA_RESP_ERR_NO_ERROR &&
                message->err < RD_KAFKA_RESP_ERR_UNKNOWN)
                continue;  // librdkafka's own, such as a lost connection: it tries again
            throw ProducerFailed{"cannot read the position from " + position_topic + ": " +
                                 rd_kafka_message_errstr(message.get())};
        }
        last.emplace(static_cast<const char*>(message->payload), message->len);
    }
}

}  // namespace relay

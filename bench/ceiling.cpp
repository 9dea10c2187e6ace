// What this machine allows at most: a bare loop from COPY BINARY to an idempotent producer, in one
// thread.
//
//   bench_ceiling DSN BROKERS TOPIC [transactions]
//
// With the last word, in Kafka transactions of 100,000 messages. Sends the messages that the relay
// would send, and keeps no position, no lease and no promise.
#include <libpq-fe.h>
#include <librdkafka/rdkafka.h>

#include <array>
#include <bit>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <memory>
#include <print>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

namespace {

constexpr auto events_sql =
    "copy (select id, aggregateid, type, payload from outbox.event order by seq) to stdout (format "
    "binary)";
constexpr std::size_t copy_header_size = 19;
constexpr std::int16_t copy_trailer = -1;
enum Column : std::size_t { id, key, type, payload, columns };

void delivered(rd_kafka_t*, const rd_kafka_message_t* message, void* count) {
    if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR)
        throw std::runtime_error{rd_kafka_err2str(message->err)};
    ++*static_cast<std::int64_t*>(count);
}

constexpr std::int64_t transaction_size = 100'000;

void check(rd_kafka_error_t* error) {
    if (error != nullptr) throw std::runtime_error{rd_kafka_error_string(error)};
}

rd_kafka_t* make_producer(const char* brokers, const char* transactional_id,
                          std::int64_t& acknowledged) {
    const std::array<std::pair<const char*, const char*>, 11> properties{{
        {"bootstrap.servers", brokers},
        {"enable.idempotence", "true"},
        {"acks", "all"},
        {"compression.codec", "lz4"},
        {"partitioner", "murmur2_random"},
        {"linger.ms", "5"},
        {"enable.metrics.push", "false"},  // as the relay does
        {"batch.size", "1000000"},
        {"queue.buffering.max.messages", "200000"},
        {"queue.buffering.max.kbytes", "1048576"},
        {"transactional.id", transactional_id},
    }};
    std::array<char, 512> why{};
    rd_kafka_conf_t* conf = rd_kafka_conf_new();
    for (const auto& [name, value] : properties)
        if (value != nullptr &&
            rd_kafka_conf_set(conf, name, value, why.data(), why.size()) != RD_KAFKA_CONF_OK)
            throw std::runtime_error{why.data()};
    rd_kafka_conf_set_opaque(conf, &acknowledged);
    rd_kafka_conf_set_dr_msg_cb(conf, &delivered);
    rd_kafka_t* producer = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why.data(), why.size());
    if (producer == nullptr) throw std::runtime_error{why.data()};
    if (transactional_id != nullptr) check(rd_kafka_init_transactions(producer, -1));
    return producer;
}

template <typename T>
T take(const char*& at) {
    T value;
    std::memcpy(&value, at, sizeof value);
    at += sizeof value;
    return std::byteswap(value);
}

using Fields = std::array<std::string_view, columns>;

// False at the trailer. Format: PostgreSQL manual, COPY, "Binary Format".
bool parse(const char* at, Fields& fields) {
    if (take<std::int16_t>(at) == copy_trailer) return false;
    for (auto& field : fields) {
        const auto size = take<std::int32_t>(at);
        field = {at, static_cast<std::size_t>(size)};
        at += size;
    }
    fields[payload].remove_prefix(1);  // jsonb's version
    return true;
}

std::array<char, 36> uuid_text(std::string_view bytes) {
    static constexpr std::string_view digits = "0123456789abcdef";
    std::array<char, 36> text{};
    std::size_t at = 0;
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        if (i == 4 || i == 6 || i == 8 || i == 10) text[at++] = '-';
        const auto byte = static_cast<unsigned char>(bytes[i]);
        text[at++] = digits[byte >> 4U];
        text[at++] = digits[byte & 15U];
    }
    return text;
}

void add(rd_kafka_headers_t* headers, std::string_view name, std::string_view value) {
    rd_kafka_header_add(headers, name.data(), static_cast<ssize_t>(name.size()), value.data(),
                        static_cast<ssize_t>(value.size()));
}

void produce(rd_kafka_t* producer, rd_kafka_topic_t* topic, const Fields& fields) {
    const auto id_text = uuid_text(fields[id]);
    rd_kafka_headers_t* headers = rd_kafka_headers_new(3);
    add(headers, "id", {id_text.data(), id_text.size()});
    add(headers, "type", fields[type]);
    add(headers, "content-type", "application/json");
    for (;;) {
        const auto error = rd_kafka_producev(
            producer, RD_KAFKA_V_RKT(topic), RD_KAFKA_V_KEY(fields[key].data(), fields[key].size()),
            RD_KAFKA_V_VALUE(const_cast<char*>(fields[payload].data()), fields[payload].size()),
            RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_HEADERS(headers), RD_KAFKA_V_END);
        if (error == RD_KAFKA_RESP_ERR_NO_ERROR) return;
        if (error != RD_KAFKA_RESP_ERR__QUEUE_FULL)
            throw std::runtime_error{rd_kafka_err2str(error)};
        rd_kafka_poll(producer, 10);
    }
}

std::int64_t send_all(PGconn* connection, rd_kafka_t* producer, rd_kafka_topic_t* topic,
                      bool in_transactions) {
    const std::unique_ptr<PGresult, void (*)(PGresult*)> started{PQexec(connection, events_sql),
                                                                 &PQclear};
    if (PQresultStatus(started.get()) != PGRES_COPY_OUT)
        throw std::runtime_error{PQerrorMessage(connection)};
    std::int64_t sent = 0;
    if (in_transactions) check(rd_kafka_begin_transaction(producer));
    char* row = nullptr;
    for (std::size_t skip = copy_header_size; PQgetCopyData(connection, &row, 0) > 0; skip = 0) {
        const std::unique_ptr<char, void (*)(void*)> freed{row, &PQfreemem};
        Fields fields;
        if (!parse(row + skip, fields)) continue;
        produce(producer, topic, fields);
        if (++sent % 1000 == 0) rd_kafka_poll(producer, 0);
        if (in_transactions && sent % transaction_size == 0) {
            check(rd_kafka_commit_transaction(producer, -1));
            check(rd_kafka_begin_transaction(producer));
        }
    }
    if (in_transactions) check(rd_kafka_commit_transaction(producer, -1));
    return sent;
}

}  // namespace

int main(int argc, char** argv) try {
    const bool in_transactions = argc == 5 && std::string_view{argv[4]} == "transactions";
    if (argc != 4 && !in_transactions)
        throw std::runtime_error{"usage: bench_ceiling DSN BROKERS TOPIC [transactions]"};
    std::int64_t acknowledged = 0;
    const std::unique_ptr<PGconn, void (*)(PGconn*)> connection{PQconnectdb(argv[1]), &PQfinish};
    const std::unique_ptr<rd_kafka_t, void (*)(rd_kafka_t*)> producer{
        make_producer(argv[2], in_transactions ? argv[3] : nullptr, acknowledged),
        &rd_kafka_destroy};
    const std::unique_ptr<rd_kafka_topic_t, void (*)(rd_kafka_topic_t*)> topic{
        rd_kafka_topic_new(producer.get(), argv[3], nullptr), &rd_kafka_topic_destroy};
    const auto sent = send_all(connection.get(), producer.get(), topic.get(), in_transactions);
    rd_kafka_flush(producer.get(), 60'000);
    if (acknowledged != sent) throw std::runtime_error{"not every event was acknowledged"};
} catch (const std::exception& error) {
    std::println(stderr, "bench_ceiling: {}", error.what());
    return 1;
}

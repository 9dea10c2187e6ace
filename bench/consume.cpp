// How fast a consumer applies events: by the library, or by a bare loop without an inbox.
//
//   bench_consume inbox|bare DSN BROKERS TOPIC PARTITIONS EVENTS
//
// The handler inserts one row. Prints the seconds from the first row to the last commit. The bare
// loop is what one would write without an inbox: a thread a partition, one transaction a batch,
// offsets after the commit.
#include <librdkafka/rdkafka.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <pqxx/pqxx>
#include <print>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "outbox/consumer.hpp"

namespace {

using Clock = std::chrono::steady_clock;
using namespace std::chrono_literals;
constexpr auto effect_sql = "insert into effect (event_id, key) values ($1, $2)";
constexpr std::size_t batch_size = 500;
constexpr std::chrono::milliseconds linger{5};

struct Work {
    std::string dsn, brokers, topic;
    int partitions;
    std::uint64_t events;
    std::atomic<Clock::rep> began{0};

    void apply(pqxx::transaction_base& tx, const std::string& id, const std::string& key) {
        Clock::rep unset = 0;
        began.compare_exchange_strong(unset, Clock::now().time_since_epoch().count());
        tx.exec(effect_sql, pqxx::params{id, key});
    }
};

void with_inbox(Work& work) {
    outbox::Consumer consumer{{.name = "bench-" + work.topic,
                               .dsn = work.dsn,
                               .brokers = work.brokers,
                               .topics = {work.topic},
                               .workers = work.partitions,
                               .batch = batch_size * static_cast<std::size_t>(work.partitions),
                               .linger = linger}};
    consumer.on("Counted", [&work](pqxx::transaction_base& tx, const outbox::Message& message) {
        work.apply(tx, message.id.to_string(), message.key);
    });
    const std::jthread running{[&](const std::stop_token& stop) { consumer.run(stop); }};
    while (consumer.counts().applied < work.events) std::this_thread::sleep_for(1ms);
}

std::string header(const rd_kafka_message_t* message, const char* name) {
    rd_kafka_headers_t* headers = nullptr;
    const void* value = nullptr;
    std::size_t size = 0;
    if (rd_kafka_message_headers(message, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR ||
        rd_kafka_header_get_last(headers, name, &value, &size) != RD_KAFKA_RESP_ERR_NO_ERROR)
        throw std::runtime_error{std::string{"no header "} + name};
    return {static_cast<const char*>(value), size};
}

using Client = std::unique_ptr<rd_kafka_t, void (*)(rd_kafka_t*)>;
using Message = std::unique_ptr<rd_kafka_message_t, void (*)(rd_kafka_message_t*)>;

Client make_consumer(const Work& work) {
    rd_kafka_conf_t* conf = rd_kafka_conf_new();
    for (const auto& [name, value] : {std::pair{"bootstrap.servers", work.brokers.c_str()},
                                      {"group.id", work.topic.c_str()},
                                      {"enable.auto.commit", "false"},
                                      {"enable.metrics.push", "false"},
                                      {"auto.offset.reset", "earliest"}})
        rd_kafka_conf_set(conf, name, value, nullptr, 0);
    Client client{rd_kafka_new(RD_KAFKA_CONSUMER, conf, nullptr, 0), &rd_kafka_destroy};
    if (!client) throw std::runtime_error{"no consumer"};
    rd_kafka_poll_set_consumer(client.get());
    return client;
}

void consume_partition(Work& work, int partition, std::atomic<std::uint64_t>& applied) {
    const auto client = make_consumer(work);
    const std::unique_ptr<rd_kafka_topic_partition_list_t,
                          void (*)(rd_kafka_topic_partition_list_t*)>
        mine{rd_kafka_topic_partition_list_new(1), &rd_kafka_topic_partition_list_destroy};
    rd_kafka_topic_partition_list_add(mine.get(), work.topic.c_str(), partition)->offset = 0;
    rd_kafka_assign(client.get(), mine.get());
    pqxx::connection connection{work.dsn};
    while (applied < work.events) {
        std::vector<Message> batch;
        const auto first = Clock::now();
        while (batch.size() < batch_size && (batch.empty() || Clock::now() - first < linger)) {
            Message message{rd_kafka_consumer_poll(client.get(), static_cast<int>(linger.count())),
                            &rd_kafka_message_destroy};
            if (!message && (!batch.empty() || applied >= work.events)) break;
            if (message && message->err == RD_KAFKA_RESP_ERR_NO_ERROR)
                batch.push_back(std::move(message));
        }
        if (batch.empty()) continue;
        pqxx::work tx{connection};
        for (const auto& message : batch)
            work.apply(tx, header(message.get(), "id"),
                       {static_cast<const char*>(message->key), message->key_len});
        tx.commit();
        rd_kafka_commit_message(client.get(), batch.back().get(), 1);
        applied += batch.size();
    }
}

void bare(Work& work) {
    std::atomic<std::uint64_t> applied{0};
    std::vector<std::jthread> threads;
    threads.reserve(static_cast<std::size_t>(work.partitions));
    for (int p = 0; p < work.partitions; ++p)
        threads.emplace_back([&work, &applied, p] { consume_partition(work, p, applied); });
}

}  // namespace

int main(int argc, char** argv) try {
    if (argc != 7)
        throw std::runtime_error{
            "usage: bench_consume inbox|bare DSN BROKERS TOPIC PARTITIONS EVENTS"};
    Work work{argv[2], argv[3], argv[4], std::stoi(argv[5]), std::stoull(argv[6])};
    const bool inbox = std::string{argv[1]} == "inbox";
    (inbox ? with_inbox : bare)(work);
    const auto taken = Clock::now().time_since_epoch() - Clock::duration{work.began.load()};
    std::println("{}", std::chrono::duration<double>(taken).count());
} catch (const std::exception& error) {
    std::println(stderr, "bench_consume: {}", error.what());
    return 1;
}

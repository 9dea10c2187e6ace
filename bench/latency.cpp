// How long an event takes from its commit to a consumer, at a steady rate.
//
//   bench_latency outbox|direct DSN BROKERS TOPIC RATE SECONDS
//
// Writers append one event a transaction, each at its time whatever the others do; with "direct"
// they produce it themselves after the commit, which loses events in a crash and is the floor. A
// read_committed consumer in this process takes the time of arrival. Prints percentiles in
// milliseconds as JSON, without the first two seconds: of the whole way, of the part up to the
// producer's call, which stamps a message to the millisecond, and of Kafka's part after it.
#include <libpq-fe.h>
#include <librdkafka/rdkafka.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <format>
#include <memory>
#include <print>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;
using namespace std::chrono_literals;
using Connection = std::unique_ptr<PGconn, void (*)(PGconn*)>;
using Client = std::unique_ptr<rd_kafka_t, void (*)(rd_kafka_t*)>;

constexpr auto append_sql =
    "select outbox.append('bench', $1, 'OrderPlaced', jsonb_build_object('n', $1::text::int8, "
    "'note', repeat('x', 200)))";
constexpr std::int64_t writers = 16;
constexpr auto warm_up = 2s;
constexpr auto stragglers = 30s;  // to wait for the last ones

using Times = std::vector<std::atomic<std::int64_t>>;

struct Load {
    bool direct;
    std::string dsn, brokers, topic;
    std::int64_t rate, events;
    // Nanoseconds since the start; 0 is not yet.
    Times committed, produced, arrived;
    Clock::time_point start = Clock::now() + 2s;  // the consumer is there by then
    std::chrono::system_clock::time_point start_of_day_clock =
        std::chrono::system_clock::now() + (start - Clock::now());
    std::atomic<std::int64_t> seen = 0;

    std::int64_t now() const { return std::chrono::nanoseconds{Clock::now() - start}.count(); }
};

Client make_client(rd_kafka_type_t type, const Load& load) {
    std::vector<std::pair<std::string, std::string>> properties{{"bootstrap.servers", load.brokers},
                                                                {"socket.nagle.disable", "true"},
                                                                {"enable.metrics.push", "false"}};
    if (type == RD_KAFKA_PRODUCER) {
        properties.insert(properties.end(), {{"enable.idempotence", "true"}, {"linger.ms", "0"}});
    } else {
        properties.insert(properties.end(), {{"group.id", load.topic},
                                             {"enable.auto.commit", "false"},
                                             {"fetch.error.backoff.ms", "1"}});
    }
    rd_kafka_conf_t* conf = rd_kafka_conf_new();
    std::array<char, 256> why{};
    for (const auto& [name, value] : properties)
        if (rd_kafka_conf_set(conf, name.c_str(), value.c_str(), why.data(), why.size()) !=
            RD_KAFKA_CONF_OK)
            throw std::runtime_error{why.data()};
    Client client{rd_kafka_new(type, conf, why.data(), why.size()), &rd_kafka_destroy};
    if (!client) throw std::runtime_error{why.data()};
    return client;
}

void write(Load& load, std::int64_t writer, rd_kafka_t* producer) {
    const Connection connection{PQconnectdb(load.dsn.c_str()), &PQfinish};
    PQclear(PQprepare(connection.get(), "append", append_sql, 1, nullptr));
    const auto period = std::chrono::duration_cast<Clock::duration>(1s) / load.rate;
    for (auto n = writer; n < load.events; n += writers) {
        std::this_thread::sleep_until(load.start + n * period);
        const auto text = std::to_string(n);
        const std::array parameters{text.c_str()};
        const std::unique_ptr<PGresult, void (*)(PGresult*)> done{
            PQexecPrepared(connection.get(), "append", 1, parameters.data(), nullptr, nullptr, 0),
            &PQclear};
        if (PQresultStatus(done.get()) != PGRES_TUPLES_OK)
            throw std::runtime_error{PQerrorMessage(connection.get())};
        load.committed[static_cast<std::size_t>(n)] = load.now();
        if (!load.direct) continue;
        auto payload = R"({"n": )" + text + R"(, "note": ")" + std::string(200, 'x') + R"("})";
        rd_kafka_producev(producer, RD_KAFKA_V_TOPIC(load.topic.c_str()),
                          RD_KAFKA_V_KEY(text.data(), text.size()),
                          RD_KAFKA_V_VALUE(payload.data(), payload.size()),
                          RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END);
        rd_kafka_poll(producer, 0);
    }
}

std::size_t number(const rd_kafka_message_t& message) {
    const std::string_view payload{static_cast<const char*>(message.payload), message.len};
    const auto at = payload.find(R"("n":)");
    if (at == std::string_view::npos)
        throw std::runtime_error{"a strange event: " + std::string{payload}};
    const auto digits = payload.find_first_of("0123456789", at);
    std::size_t n = 0;
    std::from_chars(payload.data() + digits, payload.data() + payload.size(), n);
    return n;
}

void consume(Load& load) {
    const auto client = make_client(RD_KAFKA_CONSUMER, load);
    const std::unique_ptr<rd_kafka_topic_partition_list_t,
                          void (*)(rd_kafka_topic_partition_list_t*)>
        topics{rd_kafka_topic_partition_list_new(1), &rd_kafka_topic_partition_list_destroy};
    for (int p = 0; p < 3; ++p)
        rd_kafka_topic_partition_list_add(topics.get(), load.topic.c_str(), p)->offset =
            RD_KAFKA_OFFSET_END;
    rd_kafka_poll_set_consumer(client.get());
    rd_kafka_assign(client.get(), topics.get());
    const auto end = load.start + std::chrono::seconds{load.events / load.rate} + stragglers;
    while (load.seen < load.events) {
        if (Clock::now() > end)
            throw std::runtime_error{std::to_string(load.events - load.seen) +
                                     " events never arrived"};
        const std::unique_ptr<rd_kafka_message_t, void (*)(rd_kafka_message_t*)> message{
            rd_kafka_consumer_poll(client.get(), 100), &rd_kafka_message_destroy};
        if (!message || message->err != RD_KAFKA_RESP_ERR_NO_ERROR) continue;
        const auto at = load.now();
        const auto n = number(*message);
        std::int64_t unset = 0;
        if (!load.arrived.at(n).compare_exchange_strong(unset, at)) continue;
        const std::chrono::milliseconds stamp{rd_kafka_message_timestamp(message.get(), nullptr)};
        load.produced[n] =
            std::chrono::nanoseconds{stamp - load.start_of_day_clock.time_since_epoch() + 500us}
                .count();
        ++load.seen;
    }
}

std::string percentiles(const Load& load, const Times& from, const Times& to) {
    std::vector<double> taken;
    const auto skip = static_cast<std::size_t>(
        load.rate * std::chrono::duration_cast<std::chrono::seconds>(warm_up).count());
    for (auto n = skip; n < to.size(); ++n)
        taken.push_back(
            // The relay may see a commit before its writer hears of it.
            std::max(0.0, static_cast<double>(to[n] - from[n]) / 1e6));
    std::ranges::sort(taken);
    const auto at = [&](double share) {
        return taken[static_cast<std::size_t>(share * static_cast<double>(taken.size() - 1))];
    };
    return std::format(R"({{"p50": {}, "p99": {}, "p999": {}, "max": {}}})", at(0.5), at(0.99),
                       at(0.999), at(1));
}

void print(const Load& load) {
    std::println(R"({{"whole": {}, "until_produced": {}, "in_kafka": {}}})",
                 percentiles(load, load.committed, load.arrived),
                 percentiles(load, load.committed, load.produced),
                 percentiles(load, load.produced, load.arrived));
}

}  // namespace

int main(int argc, char** argv) try {
    if (argc != 7)
        throw std::runtime_error{
            "usage: bench_latency outbox|direct DSN BROKERS TOPIC RATE SECONDS"};
    const std::int64_t rate = std::stoll(argv[5]), events = rate * std::stoll(argv[6]);
    Load load{.direct = std::string_view{argv[1]} == "direct",
              .dsn = argv[2],
              .brokers = argv[3],
              .topic = argv[4],
              .rate = rate,
              .events = events,
              .committed = Times(static_cast<std::size_t>(events)),
              .produced = Times(static_cast<std::size_t>(events)),
              .arrived = Times(static_cast<std::size_t>(events))};
    const auto producer = make_client(RD_KAFKA_PRODUCER, load);
    {
        std::vector<std::jthread> threads;
        threads.reserve(writers);
        for (std::int64_t w = 0; w < writers; ++w)
            threads.emplace_back([&, w] { write(load, w, producer.get()); });
        consume(load);
    }
    print(load);
} catch (const std::exception& error) {
    std::println(stderr, "bench_latency: {}", error.what());
    return 1;
}

// A database with an inbox, a topic, and a consumer in a thread of the test.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <pqxx/pqxx>
#include <string>
#include <thread>
#include <vector>

#include "outbox/consumer.hpp"
#include "support/database.hpp"
#include "support/kafka.hpp"
#include "support/wait.hpp"

namespace integration {

using namespace std::chrono_literals;

class ConsumerTest : public testing::Test {
protected:
    ConsumerTest() {
        support::create_topic(topic_, 3);
        pqxx::connection owner{database_.dsn()};
        pqxx::nontransaction tx{owner};
        tx.exec("create table effect (n bigserial, key text, payload text)");
        tx.exec("grant all on effect, effect_n_seq to postroom_service");
    }
    ~ConsumerTest() override { stop(); }

    outbox::ConsumerOptions options() {
        return {.name = topic_,
                .dsn = database_.dsn("postroom_service"),
                .brokers = support::kafka(),
                .topics = {topic_},
                .kafka = {{"session.timeout.ms", "6000"}},
                .attempts = 3,
                .first_backoff = 20ms,
                .last_backoff = 100ms,
                .log = [](auto) {}};
    }
    void start(outbox::Handler handler, std::optional<outbox::ConsumerOptions> with = {}) {
        consumer_ = std::make_unique<outbox::Consumer>(with.value_or(options()));
        consumer_->on("Happened", std::move(handler));
        run();
    }
    void run() {
        thread_ = std::jthread{[this](const std::stop_token& token) { consumer_->run(token); }};
    }
    void stop() {
        thread_.request_stop();
        if (thread_.joinable()) thread_.join();
    }
    bool has_partitions() const { return !consumer_->lag().empty(); }
    static void effect(pqxx::transaction_base& tx, const outbox::Message& message) {
        tx.exec("insert into effect (key, payload) values ($1, $2)",
                pqxx::params{message.key, message.payload});
    }
    support::Draft draft(const std::string& key, const std::string& payload, std::string id = {}) {
        if (id.empty()) id = outbox::EventId::make().to_string();
        return {.key = key, .value = payload, .headers = {{"id", id}, {"type", "Happened"}}};
    }
    template <typename T>
    T query(const std::string& sql) {
        pqxx::connection connection{database_.dsn()};
        pqxx::nontransaction tx{connection};
        return tx.exec(sql).one_field().as<T>();
    }
    void await_effects(int count) {
        support::eventually(30s, std::to_string(count) + " effects",
                            [&] { return query<int>("select count(*) from effect") >= count; });
    }
    std::string payloads_of(const std::string& key) {
        return query<std::string>(
            "select coalesce(string_agg(payload, ' ' order by n), '') from effect where key = '" +
            key + "'");
    }

    support::Database database_;
    std::string topic_ = support::unique_name("consumer");
    std::unique_ptr<outbox::Consumer> consumer_;
    std::jthread thread_;
};

}  // namespace integration

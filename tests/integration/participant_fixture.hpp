// A participant of the saga at work: its database, and a consumer that hears commands from Kafka.
// What it answers is read from its outbox.
#pragma once

#include <gtest/gtest.h>

#include <format>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <pqxx/pqxx>
#include <string>
#include <thread>
#include <vector>

#include "domain/pool.hpp"
#include "http/dispatcher.hpp"
#include "http/service_cache.hpp"
#include "outbox/consumer.hpp"
#include "support/database.hpp"
#include "support/kafka.hpp"
#include "support/wait.hpp"

namespace integration {

using nlohmann::json;

struct Reply {
    std::int64_t purchase;
    std::string handler;
    bool success;
    std::string error_message;
    json purchase_content;
    std::string traceparent;
};

class ParticipantTest : public testing::Test {
protected:
    explicit ParticipantTest(const std::string& service)
        : service_{service}, database_{{"outbox", service}} {
        support::create_topic(topic_, 3);
    }
    ~ParticipantTest() override {
        thread_.request_stop();
        if (thread_.joinable()) thread_.join();
    }

    void start(const std::function<void(outbox::Consumer&)>& subscribe) {
        consumer_ = std::make_unique<outbox::Consumer>(
            outbox::ConsumerOptions{.name = topic_,
                                    .dsn = pool_.dsn(),
                                    .brokers = support::kafka(),
                                    .topics = {topic_},
                                    .kafka = {{"session.timeout.ms", "6000"}},
                                    .log = [](auto) {}});
        subscribe(*consumer_);
        thread_ = std::jthread{[this](const std::stop_token& token) { consumer_->run(token); }};
    }

    static json purchase(std::int64_t amount = 11'050, const std::string& currency = "EUR") {
        return {{"order",
                 {{"customer_id", 3},
                  {"order_items",
                   {{{"product_id", 7},
                     {"quantity", 2},
                     {"price", 4900},
                     {"category_id", 1},
                     {"name", "Quill"},
                     {"brand_name", "Goose"},
                     {"description", "White"}},
                    {{"product_id", 6}, {"quantity", 1}}}}}},
                {"payment", {{"currency_code", currency}, {"amount", amount}}}};
    }

    support::Draft command(const std::string& type, std::int64_t id,
                           const json& content = purchase()) {
        return event(type, {{"version", 1},
                            {"timestamp", "2026-01-01T00:00:00.000Z"},
                            {"purchase_id", id},
                            {"purchase", content}});
    }
    support::Draft event(const std::string& type, const json& payload) {
        ++sent_;
        return {.key = std::to_string(payload["purchase_id"].get<std::int64_t>()),
                .value = payload.dump(),
                .headers = {
                    {"id", outbox::EventId::make().to_string()},
                    {"type", type},
                    {"traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}}};
    }
    // Returns when every command so far has been applied.
    void send(const std::vector<support::Draft>& drafts) {
        support::produce(topic_, drafts);
        support::eventually(std::chrono::seconds{60}, "every command to be applied", [&] {
            return query<int>("select count(*) from inbox.received") +
                       query<int>("select count(*) from inbox.dead") ==
                   sent_;
        });
    }

    std::vector<Reply> replies() {
        pqxx::connection connection{database_.dsn()};
        pqxx::nontransaction tx{connection};
        std::vector<Reply> all;
        for (const auto& row : tx.exec("select payload, headers from outbox.event where "
                                       "aggregatetype = 'reply' and type = 'Reply' order by seq")) {
            const auto payload = json::parse(row[0].view());
            const auto headers = json::parse(row[1].view());
            all.push_back({payload["purchase_id"], headers["handler"], payload["success"],
                           payload["error_message"], payload["purchase"], headers["traceparent"]});
        }
        return all;
    }
    // As "Handler id yes" or "Handler id no: why".
    std::vector<std::string> answers() {
        std::vector<std::string> all;
        for (const auto& reply : replies())
            all.push_back(std::format("{} {} {}", reply.handler, reply.purchase,
                                      reply.success ? "yes" : "no: " + reply.error_message));
        return all;
    }

    template <class T>
    T query(const std::string& sql) {
        pqxx::connection connection{database_.dsn()};
        return pqxx::nontransaction{connection}.query_value<T>(sql);
    }

    // Of the order or the payment.
    std::string status(std::int64_t id) {
        return query<std::string>(
            std::format("select status from {}s where id = {}", service_, id));
    }

    // What the service's routes answer to the customer whose number is the token.
    using AddRoutes = void (*)(http::Dispatcher&, domain::Pool&, http::ServiceCache&,
                               const http::Authenticate&);
    http::Response get(AddRoutes add_routes, const std::string& path, const std::string& token) {
        http::Metrics metrics{service_};
        http::Log log{"off"};
        http::Dispatcher dispatcher{service_, metrics, log};
        add_routes(
            dispatcher, pool_, cache_,
            [](const http::Request& request) -> tl::expected<domain::CustomerId, http::Problem> {
                const std::string from{request.header("Authorization")};
                if (from.empty()) return tl::unexpected(http::Problem{401, "send a token"});
                return domain::CustomerId{std::stoll(from)};
            });
        http::Headers headers;
        if (!token.empty()) headers.emplace("Authorization", token);
        return dispatcher.dispatch({"GET", path, headers, "here"}, {});
    }
    // Number 42 is the customer 3's, number 43 a tombstone.
    void expect_to_be_its_owners_alone(AddRoutes add_routes) {
        const auto path = std::format("/api/v1/{}s/", service_);
        EXPECT_EQ(get(add_routes, path + "42", "4").status, 404)
            << "shown to a stranger, from memory";
        EXPECT_EQ(cache_.values().counts().local_hits, 1U);
        EXPECT_EQ(get(add_routes, path + "41", "3").status, 404);
        EXPECT_EQ(get(add_routes, path + "43", "0").status, 404);
        EXPECT_EQ(get(add_routes, path + "42", "").status, 401);
    }

    std::string service_;
    support::Database database_;
    std::string role_ = "shop_" + service_;
    std::string topic_ = support::unique_name("participant");
    domain::Pool pool_{{.dsn = database_.dsn(role_)}};
    http::ServiceCache cache_{{}, "participant"};  // in memory
    int sent_ = 0;
    std::unique_ptr<outbox::Consumer> consumer_;
    std::jthread thread_;
};

using Answers = std::vector<std::string>;

}  // namespace integration

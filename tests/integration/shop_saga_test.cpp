// The main job, end to end: HTTP → order → relay → Kafka → payment → relay → Kafka → order.

#include <gtest/gtest.h>

#include <csignal>
#include <format>
#include <nlohmann/json.hpp>
#include <optional>
#include <pqxx/pqxx>

#include "integration/raw_http.hpp"
#include "integration/shop_process.hpp"
#include "support/environment.hpp"
#include "support/kafka.hpp"
#include "support/wait.hpp"

namespace {

using nlohmann::json;
using std::chrono::seconds;
using support::Process;
using support::request;
using support::ShopProcess;

constexpr auto traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

class ShopSagaTest : public testing::Test {
protected:
    ShopSagaTest() {
        support::create_topic(topic("order"), 3);
        support::create_topic(topic("payment"), 3);
    }

    std::string topic(const std::string& aggregate) { return databases.topic_prefix + aggregate; }

    Process::Options relay(const support::Database& database) {
        return {.argv = {support::bin("postroom"), "relay"},
                .env = {{"POSTROOM_DATABASE_DSN", database.dsn("postroom_relay")},
                        {"POSTROOM_KAFKA_BROKERS", support::kafka()},
                        {"POSTROOM_KAFKA_TOPIC", databases.topic_prefix + "{aggregatetype}"},
                        {"POSTROOM_ADMIN_LISTEN", "127.0.0.1:0"}}};
    }

    std::int64_t purchase(const ShopProcess& shop, int product, const std::string& currency,
                          std::map<std::string, std::string> headers = {}) {
        headers.emplace("Content-Type", "application/json");
        const auto body = std::format(R"({{"order_items":[{{"product_id":{},"quantity":1}}],)"
                                      R"("payment":{{"currency_code":"{}"}}}})",
                                      product, currency);
        const auto answer =
            request(shop.address("order"), "POST", "/api/v1/purchases", body, headers);
        EXPECT_EQ(answer.status, 202) << answer.body;
        return json::parse(answer.body)["purchase_id"];
    }

    template <class Value>
    Value ask(const support::Database& database, const std::string& query) {
        pqxx::connection connection{database.dsn()};
        return pqxx::nontransaction{connection}.query_value<Value>(query);
    }

    void await_the_end_of_every_order() {
        support::eventually(seconds{60}, "every order to end", [&] {
            return ask<int>(databases.order,
                            "select count(*) from orders where status = 'PENDING'") == 0;
        });
    }

    support::ShopDatabases databases;
};

TEST_F(ShopSagaTest, EndsEachOrderPaidOrCancelledAsPaymentDecides) {
    const Process order_relay{relay(databases.order)};
    const Process payment_relay{relay(databases.payment)};
    const ShopProcess shop{databases};
    const auto pen = purchase(shop, 1, "EUR");
    const auto desk = purchase(shop, 5, "EUR");
    const auto krone = purchase(shop, 1, "NOK");
    await_the_end_of_every_order();

    const auto order = [&](std::int64_t id) {
        return json::parse(
            request(shop.address("order"), "GET", std::format("/api/v1/orders/{}", id)).body);
    };
    const auto payment = [&](std::int64_t id) {
        return json::parse(
            request(shop.address("payment"), "GET", std::format("/api/v1/payments/{}", id)).body);
    };
    EXPECT_EQ(order(pen)["status"], "PAID");
    EXPECT_EQ(
        payment(pen),
        json::parse(std::format(
            R"({{"id":{},"customer_id":0,"amount":4900,"currency_code":"EUR","status":"TAKEN"}})",
            pen)));
    EXPECT_EQ(order(desk)["status"], "CANCELLED");
    EXPECT_EQ(order(desk)["reason"], "the amount is over the limit of 50000 EUR minor units");
    EXPECT_EQ(payment(desk)["status"], "DECLINED");
    EXPECT_EQ(order(krone)["reason"], "currency NOK is not supported");
}

TEST_F(ShopSagaTest, KeepsTraceAndCorrelationFromTheRequestToTheLastEvent) {
    const Process order_relay{relay(databases.order)};
    const Process payment_relay{relay(databases.payment)};
    const ShopProcess shop{databases};
    purchase(shop, 1, "EUR", {{"traceparent", traceparent}, {"correlation-id", "cart-17"}});
    await_the_end_of_every_order();

    for (const auto* aggregate : {"order", "payment"}) {
        const auto records = support::read_topic(topic(aggregate));
        ASSERT_EQ(records.size(), 1U) << aggregate;
        EXPECT_TRUE(records[0]
                        .headers.at("traceparent")
                        .starts_with("00-4bf92f3577b34da6a3ce929d0e0e4736-"))
            << aggregate;
        EXPECT_EQ(records[0].headers.at("correlation-id"), "cart-17") << aggregate;
    }
}

TEST_F(ShopSagaTest, TakesEachPaymentOnceThoughEveryEventComesThreeTimes) {
    std::optional<Process> order_relay{relay(databases.order)};
    const Process payment_relay{relay(databases.payment)};
    const ShopProcess shop{databases};
    for (int i = 0; i < 20; ++i) purchase(shop, 1 + i % 5, "EUR");
    await_the_end_of_every_order();
    for (int again = 0; again < 2; ++again) {
        for (const auto* aggregate : {"order", "payment"}) {
            std::vector<support::Draft> drafts;
            auto records = support::read_topic(topic(aggregate));
            records.resize(20);
            for (const auto& record : records) {
                drafts.push_back({record.key, record.value, record.headers});
            }
            support::produce(topic(aggregate), drafts);
        }
    }
    for (const auto* database : {&databases.order, &databases.payment}) {
        support::eventually(seconds{30}, "40 deliveries to be suppressed", [&] {
            return ask<int>(*database,
                            "select coalesce(sum(redeliveries), 0) from inbox.received") == 40;
        });
        EXPECT_EQ(ask<int>(*database, "select count(*) from outbox.event"), 20);
    }
    EXPECT_EQ(ask<int>(databases.payment, "select count(*) from payments"), 20);
}

TEST_F(ShopSagaTest, LosesNothingWhenTheShopIsKilledAtEachStepOfItsConsumer) {
    const Process order_relay{relay(databases.order)};
    const Process payment_relay{relay(databases.payment)};
    for (const auto* step : {"after_effect", "after_commit", "after_effect:2", "after_commit:2"}) {
        {
            // Without a broker it consumes nothing, so that the purchases are made before the
            // crash.
            const ShopProcess deaf{databases, {"order"}, {{"SHOP_KAFKA_BROKERS", "127.0.0.1:1"}}};
            for (int i = 0; i < 5; ++i) purchase(deaf, 1, "EUR");
        }
        ShopProcess shop{databases, {"order", "payment"}, {{"POSTROOM_CRASH_AT", step}}};
        const auto status = shop.process().wait(seconds{60});
        EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) << step;
    }
    const ShopProcess shop{databases};
    await_the_end_of_every_order();
    EXPECT_EQ(ask<int>(databases.order, "select count(*) from orders where status = 'PAID'"), 20);
    EXPECT_EQ(ask<int>(databases.payment, "select count(*) from payments where status = 'TAKEN'"),
              20);
    EXPECT_EQ(ask<int>(databases.payment, "select count(*) from outbox.event"), 20);
}

TEST_F(ShopSagaTest, ParksAnEventThatItCannotReadAndGoesOnWithTheOthers) {
    const Process order_relay{relay(databases.order)};
    const Process payment_relay{relay(databases.payment)};
    const ShopProcess shop{databases};
    support::produce(
        topic("order"),
        {{.key = "1",
          .value = R"({"version":99})",
          .headers = {{"id", "0192f0c4-0000-7000-8000-000000000001"}, {"type", "OrderPlaced"}}}});
    for (int i = 0; i < 5; ++i) purchase(shop, 1, "EUR");
    await_the_end_of_every_order();
    support::eventually(seconds{20}, "the dead letter", [&] {
        return ask<int>(databases.payment, "select count(*) from inbox.dead") == 1;
    });
    EXPECT_EQ(ask<std::string>(databases.payment, "select error from inbox.dead"),
              "version 99 of the event is not known here");
}

}  // namespace

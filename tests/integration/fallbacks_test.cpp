// One service as one process, chosen by APP and set up by the names that go with that.

#include <gtest/gtest.h>

#include <csignal>
#include <nlohmann/json.hpp>
#include <pqxx/pqxx>

#include "integration/raw_http.hpp"
#include "integration/shop_process.hpp"
#include "support/loopback.hpp"
#include "support/wait.hpp"

namespace {

using std::chrono::seconds;
using support::Answer;
using support::request;

class FallbacksTest : public testing::Test {
protected:
    Answer get(const std::string& path) const {
        return request(address_, "GET", path, {},
                       {{"Authorization", "Bearer " + support::token_of(1)}});
    }

    // Asks until the answer has that status: requests are few a second here.
    Answer get_until(int status) const {
        Answer answer;
        support::eventually(seconds{20}, "an answer " + std::to_string(status), [&] {
            answer = get("/api/v1/orders/1");
            return answer.status == status;
        });
        return answer;
    }

    static std::string port(const std::string& address) {
        return address.substr(address.find(':') + 1);
    }

    support::ShopDatabases databases_{{"order"}};
    std::string address_ = "127.0.0.1:" + std::to_string(support::free_port());
    std::string metrics_ = "127.0.0.1:" + std::to_string(support::free_port());
    support::Process shop_{
        {.argv = {support::bin("shop"), "serve"},
         .env = {{"APP", "order"},
                 {"HTTP_PORT", port(address_)},
                 {"PROM_PORT", port(metrics_)},
                 {"DB_DSN", databases_.of("order").dsn("shop_order")},
                 {"DB_MAX_OPEN_CONNS", "4"},
                 {"SERVICE_OPTIONS_RPS", "2"},
                 {"SERVICE_OPTIONS_TIMEOUT_SECOND", "1"},
                 {"SHOP_CORS_ORIGINS", "https://shop.example"},
                 {"SHOP_KAFKA_BROKERS", support::kafka()},
                 {"SHOP_KAFKA_TOPIC", databases_.topic_prefix + "{aggregatetype}"},
                 {"SHOP_CONSUMER_GROUP_PREFIX", databases_.topic_prefix},
                 {"SHOP_ACCOUNT_GRPC", "127.0.0.1:9"},
                 {"SHOP_GRPC_TOKEN_FILE", databases_.environment().at("SHOP_GRPC_TOKEN_FILE")},
                 {"JWT_SECRET", databases_.environment().at("SHOP_JWT_SECRET")}}}};
};

TEST_F(FallbacksTest, TheNamesOfOneServiceAProcessCount) {
    support::eventually(seconds{20}, "the service to listen", [&] {
        if (!shop_.running()) throw std::runtime_error(shop_.output());
        return support::accepts(std::stoi(port(metrics_)));
    });
    // Metrics are where PROM_PORT says, and there only.
    EXPECT_EQ(get("/livez").status, 200);
    const auto metrics = request(metrics_, "GET", "/metrics");
    EXPECT_EQ(metrics.status, 200);
    EXPECT_TRUE(metrics.body.contains("order_consumer_events_total"));
    EXPECT_EQ(get("/metrics").status, 404);

    // More than SERVICE_OPTIONS_RPS are told when to come back; /livez and /readyz are never
    // refused.
    const auto refused = get_until(429);
    EXPECT_EQ(refused.headers.at("Retry-After"), "1");
    EXPECT_EQ(refused.headers.at("Content-Type"), "application/problem+json");
    EXPECT_EQ(get("/livez").status, 200);
    EXPECT_NE(get("/readyz").status, 429);

    // SERVICE_OPTIONS_TIMEOUT_SECOND ends a statement that waits, and the request with it.
    pqxx::connection super{databases_.of("order").dsn()};
    pqxx::work blocker{super};
    blocker.exec("lock table orders in access exclusive mode");
    const auto late = get_until(503);
    EXPECT_EQ(late.headers.at("Retry-After"), "1");
    EXPECT_EQ(nlohmann::json::parse(late.body)["status"], 503);
    blocker.abort();
    EXPECT_EQ(get_until(404).headers.at("Vary"), "Origin");

    shop_.signal(SIGTERM);
    EXPECT_EQ(shop_.wait(seconds{20}), 0);
}

TEST(ServiceLimits, AreOfEachServiceOfAProcess) {
    const support::ShopDatabases databases{{"order", "payment"}};
    const support::ShopProcess shop{
        databases.with_topics(),
        {"order", "payment"},
        {{"SHOP_RPS", "1000"}, {"SHOP_ORDER_RPS", "1"}, {"SHOP_PAYMENT_REQUEST_TIMEOUT_S", "1"}}};
    const std::map<std::string, std::string> customer{
        {"Authorization", "Bearer " + support::token_of(1)}};
    std::map<int, int> orders, payments;
    for (int i = 0; i < 10; ++i) {
        ++orders[request(shop.address("order"), "GET", "/api/v1/orders/1", {}, customer).status];
        ++payments[request(shop.address("payment"), "GET", "/api/v1/payments/1", {}, customer)
                       .status];
    }
    EXPECT_GE(orders[429], 1);
    EXPECT_EQ(payments, (std::map<int, int>{{404, 10}}));

    pqxx::connection super{databases.of("payment").dsn()};
    pqxx::work blocker{super};
    blocker.exec("lock table payments in access exclusive mode");
    const auto since = std::chrono::steady_clock::now();
    EXPECT_EQ(request(shop.address("payment"), "GET", "/api/v1/payments/2", {}, customer).status,
              503);
    EXPECT_LT(std::chrono::steady_clock::now() - since, seconds{4});  // five for the others
}

}  // namespace

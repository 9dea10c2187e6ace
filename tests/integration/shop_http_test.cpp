// What every service does over real HTTP, by the example of purchase, on real databases.

#include <gtest/gtest.h>

#include <csignal>
#include <format>
#include <future>
#include <nlohmann/json.hpp>
#include <pqxx/pqxx>

#include "integration/raw_http.hpp"
#include "integration/shop_process.hpp"
#include "support/kafka.hpp"
#include "support/wait.hpp"

namespace {

using nlohmann::json;
using support::Answer;
using support::request;
using support::send_raw;
using Headers = std::map<std::string, std::string>;

constexpr auto pens =
    R"({"order_items":[{"product_id":1,"quantity":2},{"product_id":2,"quantity":1}],)"
    R"("payment":{"currency_code":"EUR"}})";

class ShopHttpTest : public testing::Test {
protected:
    Answer post(const std::string& body, Headers headers = {}) {
        headers.emplace("Content-Type", "application/json");
        headers.emplace("Authorization", authorization);
        return request(purchase(), "POST", "/api/v1/purchases", body, headers);
    }
    Answer get(const std::string& path, Headers headers = {}) {
        headers.emplace("Authorization", authorization);
        return request(purchase(), "GET", path, "", headers);
    }
    const std::string& purchase() { return shop.address("purchase"); }

    int purchases() { return ask("select count(*) from purchases"); }
    int events() { return ask("select count(*) from outbox.event"); }
    int ask(const std::string& query) {
        return pqxx::nontransaction{super}.query_value<int>(query);
    }

    const std::string authorization = "Bearer " + support::token_of(7);
    support::ShopDatabases databases{{"product", "purchase"}};
    pqxx::connection super{databases.of("purchase").dsn()};
    support::ShopProcess shop{databases, {"product", "purchase"}};
};

TEST_F(ShopHttpTest, NamesWhatIsWrongWithARequest) {
    EXPECT_EQ(get("/api/v1/purchases/abc").status, 400);
    EXPECT_EQ(get("/api/v1/purchases/1").status, 404);
    EXPECT_EQ(get("/api/v2").status, 404);
    const auto wrong_method = request(purchase(), "DELETE", "/api/v1/purchases/1");
    EXPECT_EQ(wrong_method.status, 405);
    EXPECT_EQ(wrong_method.headers.at("Allow"), "GET, HEAD");
    EXPECT_EQ(post(pens, {{"Content-Type", "text/plain"}}).status, 415);
    EXPECT_EQ(post(pens, {{"Content-Encoding", "gzip"}}).status, 415);
    EXPECT_EQ(post(std::string(70'000, ' ')).status, 413);
    // A range is of an answer that is there; a purchase is made, and told of whole.
    EXPECT_EQ(post(pens, {{"Range", "bytes=9999-"}}).status, 202);
    const auto product = request(shop.address("product"), "GET", "/api/v1/products/99");
    EXPECT_EQ(product.status, 404);
    EXPECT_EQ(product.headers.at("Content-Type"), "application/problem+json");
    EXPECT_EQ(json::parse(product.body)["error"], "there is no product 99");
}

TEST_F(ShopHttpTest, NeverReadsASecondRequestOutOfAnUnreadOrAmbiguousBody) {
    const std::string smuggled = "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n";
    const auto length = std::format("Content-Length: {}\r\n", smuggled.size());
    const std::string chunked = "Transfer-Encoding: chunked\r\n";
    const std::string type = "Content-Type: application/json\r\n";
    const std::string purchases = "POST /api/v1/purchases HTTP/1.1\r\nHost: x\r\n";
    struct Case {
        std::string bytes;
        int status;
    };
    const Case cases[] = {
        {"GET /livez HTTP/1.1\r\nHost: x\r\n" + length + "\r\n" + smuggled, 400},
        {"HEAD /livez HTTP/1.1\r\nHost: x\r\n" + length + "\r\n" + smuggled, 0},
        {"DELETE /livez HTTP/1.1\r\nHost: x\r\n" + length + "\r\n" + smuggled, 400},
        {"POST /livez HTTP/1.1\r\nHost: x\r\n" + length + "\r\n" + smuggled, 405},
        {purchases + length + "\r\n" + smuggled, 415},
        {purchases + length + chunked + type + "\r\n0\r\n\r\n" + smuggled, 400},
        {purchases + "Content-Length: 1\r\n" + length + type + "\r\n" + smuggled, 400},
        {purchases + "Content-Length: +1\r\n" + type + "\r\n" + smuggled, 400},
        {purchases + "Transfer-Encoding: gzip, chunked\r\n" + type + "\r\n0\r\n\r\n" + smuggled,
         400},
        {purchases + chunked + type + "\r\nzz\r\n" + smuggled, 400},
        {purchases + chunked + type + "\r\n1ffff\r\n" + std::string(0x1ffff, ' ') +
             "\r\n0\r\n\r\n" + smuggled,
         413},
        {purchases + "Content-Length: 99999999999\r\n" + type + "\r\n" + smuggled, 413},
        {"BREW / HTTP/1.1\r\n\r\n" + smuggled, 400},
        {"GET /" + std::string(9000, 'a') + " HTTP/1.1\r\n\r\n" + smuggled, 414},
        {"GET /livez HTTP/1.1\r\nX: " + std::string(9000, 'a') + "\r\n\r\n" + smuggled, 400},
    };
    for (const auto& [bytes, status] : cases) {
        const auto answer = send_raw(purchase(), bytes);
        EXPECT_EQ(answer.status, status) << bytes.substr(0, 120);
        EXPECT_EQ(answer.rest, "") << bytes.substr(0, 120);
    }
}

TEST_F(ShopHttpTest, NeverEchoesALineBreakIntoAHeader) {
    const auto answer = send_raw(purchase(),
                                 "GET /livez HTTP/1.1\r\nX-Request-Id: a%0d%0aInjected: b\r\n"
                                 "Connection: close\r\n\r\n");
    EXPECT_EQ(answer.status, 200);
    EXPECT_FALSE(answer.headers.contains("Injected"));
}

TEST_F(ShopHttpTest, GoesOnAfterTheDatabaseClosedEveryConnection) {
    ASSERT_EQ(post(pens).status, 202);
    pqxx::nontransaction{super}.exec(
        "select pg_terminate_backend(pid) from pg_stat_activity "
        "where datname = current_database() and pid <> pg_backend_pid()");
    EXPECT_EQ(post(pens).status, 202);
}

TEST_F(ShopHttpTest, MakesOnePurchaseThoughTheConnectionBreaksWithinCommit) {
    // The first COMMIT of a purchase loses its connection; nextval does not roll back.
    pqxx::nontransaction{super}.exec(R"(
        create sequence tries;
        create function lose() returns trigger language plpgsql security definer as $$
        begin
            if nextval('tries') in (1, 3) then
                perform pg_terminate_backend(pg_backend_pid());
            end if;
            return null;
        end $$;
        create constraint trigger lose after insert on purchases deferrable initially deferred
        for each row execute function lose())");
    EXPECT_EQ(post(pens, {{"Idempotency-Key", "k"}}).status, 202);
    EXPECT_EQ(purchases(), 1);

    const auto unknown = post(pens);
    EXPECT_EQ(unknown.status, 503);
    EXPECT_EQ(unknown.headers.at("Retry-After"), "1");
    EXPECT_EQ(purchases(), 1);
    EXPECT_EQ(events(), 1);
}

TEST_F(ShopHttpTest, FinishesTheRequestThatItHasBegunWhenToldToStop) {
    pqxx::work blocker{super};
    blocker.exec("lock table purchases in access exclusive mode");
    auto answer = std::async(std::launch::async, [this] { return post(pens); });
    support::eventually(std::chrono::seconds{5}, "the request to wait for the lock", [&] {
        blocker.exec("select pg_stat_clear_snapshot()");  // else a transaction sees the first one
        return blocker.query_value<bool>(
            "select exists (select from pg_locks join pg_stat_activity using (pid) "
            "where not granted and relation = 'purchases'::regclass "
            "and query like '%insert into purchases%')");
    });
    shop.process().signal(SIGTERM);
    support::eventually(std::chrono::seconds{5}, "the shop to take no more connections", [&] {
        try {
            return get("/readyz").status == 0;
        } catch (const std::runtime_error&) {
            return true;
        }
    });
    blocker.commit();
    const auto finished = answer.get();
    EXPECT_EQ(finished.status, 202) << finished.body << shop.process().output();
    EXPECT_EQ(shop.process().wait(std::chrono::seconds{10}), 0);
}

TEST_F(ShopHttpTest, SaysThatItIsNotReadyBeforeItRefusesConnections) {
    support::ShopProcess draining{databases, {"purchase"}, {{"SHOP_DRAIN_S", "60"}}};
    draining.process().signal(SIGTERM);
    support::eventually(std::chrono::seconds{5}, "/readyz to say why", [&] {
        const auto answer = request(draining.address("purchase"), "GET", "/readyz");
        return answer.status == 503 &&
               json::parse(answer.body)["error"] == "the service is stopping";
    });
    draining.process().signal(SIGTERM);
    EXPECT_EQ(draining.process().wait(std::chrono::seconds{10}), 0);
}

TEST_F(ShopHttpTest, IsReadyForCustomersThoughItStartsWhileKafkaIsAway) {
    const support::ShopProcess apart{
        databases, {"purchase"}, {{"SHOP_KAFKA_BROKERS", "127.0.0.1:1"}}};
    const auto answer = request(apart.address("purchase"), "GET", "/readyz");
    EXPECT_EQ(answer.status, 200) << answer.body;
    EXPECT_EQ(answer.body, "ready, but the consumer is not in its group\n");
}

TEST_F(ShopHttpTest, ShowsItsHealthAndItsMetrics) {
    const auto topic = databases.topic_prefix + "purchase-result";
    support::create_topic(topic, 1);
    EXPECT_EQ(get("/livez").status, 200);
    post(pens);
    const auto metrics = get("/metrics");
    EXPECT_EQ(metrics.status, 200);
    const auto lag = std::format(R"(purchase_consumer_lag{{partition="0",topic="{}"}} 0)", topic);
    support::eventually(std::chrono::seconds{30}, lag,
                        [&] { return get("/metrics").body.contains(lag); });
    for (const auto* line :
         {R"(seconds_count{code="202",handler="/api/v1/purchases",method="POST"} 1)",
          R"(purchase_http_requests_inflight{code="",handler="/metrics",method="GET"} 1)",
          R"(purchase_consumer_events_total{outcome="applied"} 0)"}) {
        EXPECT_NE(metrics.body.find(line), std::string::npos) << line << '\n' << metrics.body;
    }
}

TEST_F(ShopHttpTest, LogsOneJsonLineForEachRequest) {
    get("/api/v1/purchases/abc", {{"X-Request-Id", "seek-me"}});
    support::eventually(std::chrono::seconds{5}, "the access log's line", [&] {
        std::istringstream lines{shop.process().output()};
        for (std::string line; std::getline(lines, line);) {
            const auto entry = json::parse(line, nullptr, false);
            if (entry.is_object() && entry.value("request_id", "") == "seek-me") {
                return entry["status"] == 400 && entry["handler"] == "/api/v1/purchases/:id";
            }
        }
        return false;
    });
}

}  // namespace

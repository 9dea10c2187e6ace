// Purchases over real HTTP, on a real database, with a product service that can fail.

#include <future>
#include <set>

#include "integration/purchase_fixture.hpp"
#include "support/wait.hpp"

namespace integration {
namespace {

using nlohmann::json;
using support::Answer;

class PurchaseHttp : public PurchaseTest {
protected:
    int purchases() { return ask("select count(*) from purchases"); }
    int events() { return ask("select count(*) from outbox.event"); }
};

std::string field(const Answer& answer) { return json::parse(answer.body).value("field", ""); }

TEST_F(PurchaseHttp, WritesAPurchaseAndItsEventTogether) {
    const auto answer =
        post(pens, {{"traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"},
                    {"correlation-id", "cart-17"}});
    ASSERT_EQ(answer.status, 202) << answer.body;
    const auto id = json::parse(answer.body)["purchase_id"].get<std::int64_t>();
    EXPECT_EQ(answer.headers.at("Location"), "/api/v1/purchases/" + std::to_string(id));

    pqxx::nontransaction tx{super_};
    const auto [aggregate, key, type, payload, headers] =
        tx.query1<std::string, std::string, std::string, std::string, std::string>(
            "select aggregatetype, aggregateid, type, payload, headers from outbox.event");
    EXPECT_EQ(aggregate, "purchase");
    EXPECT_EQ(key, std::to_string(id));
    EXPECT_EQ(type, "CreatePurchase");
    auto event = json::parse(payload);
    EXPECT_EQ(event["timestamp"].get<std::string>().size(), 24U);
    event.erase("timestamp");
    EXPECT_EQ(event, json::parse(std::format(
                         R"({{"version":1,"purchase_id":{},"purchase":{{
            "order":{{"customer_id":7,"order_items":[
                {{"product_id":1,"quantity":2,"price":4900,"category_id":3,"name":"Product 1",
                  "brand_name":"Quillworks","description":"As good as new"}},
                {{"product_id":2,"quantity":1,"price":1250,"category_id":3,"name":"Product 2",
                  "brand_name":"Quillworks","description":"As good as new"}}]}},
            "payment":{{"currency_code":"EUR","amount":11050}}}}}})",
                         id)));
    EXPECT_EQ(json::parse(headers)["correlation-id"], "cart-17");
    EXPECT_TRUE(json::parse(headers)["traceparent"].get<std::string>().starts_with(
        "00-4bf92f3577b34da6a3ce929d0e0e4736-"));
}

TEST_F(PurchaseHttp, AnswersOlderClientsAsTheyExpect) {
    const auto answer = post(pens, {}, "/api/purchase");
    EXPECT_EQ(answer.status, 201) << answer.body;
    EXPECT_TRUE(json::parse(answer.body)["purchase_id"].is_number_integer());
}

TEST_F(PurchaseHttp, ServesNobodyItDoesNotKnow) {
    const Headers type{{"Content-Type", "application/json"}};
    for (const auto* path : {"/api/v1/purchases", "/api/purchase"})
        EXPECT_EQ(support::request(address_, "POST", path, pens, type).status, 401);
    const auto id = purchase();
    for (const auto& path : {std::format("/api/v1/purchases/{}", id), events_path(id),
                             std::format("/api/purchase/result?purchase_id={}", id)}) {
        EXPECT_EQ(support::request(address_, "GET", path).status, 401) << path;
        EXPECT_EQ(get(path, 8).status, 404) << path;
    }
}

TEST_F(PurchaseHttp, ShowsAPurchaseToItsOwner) {
    const auto id = purchase();
    const auto answer = get(std::format("/api/v1/purchases/{}/", id));
    EXPECT_EQ(answer.status, 200);
    EXPECT_EQ(json::parse(answer.body),
              json::parse(std::format(
                  R"({{"purchase_id":{},"status":"EXECUTE","step":"UPDATE_PRODUCT_INVENTORY",
            "success":null,"amount":11050,"currency_code":"EUR","order_items":[
            {{"product_id":1,"quantity":2,"price":4900}},
            {{"product_id":2,"quantity":1,"price":1250}}]}})",
                  id)));
    EXPECT_EQ(get("/api/v1/purchases/1").status, 404);
    EXPECT_EQ(get("/api/v1/purchases/x").status, 400);
    EXPECT_EQ(get("/api/purchase/result", 8).status, 404);
    EXPECT_EQ(get("/api/purchase/result?purchase_id=x").status, 400);
}

TEST_F(PurchaseHttp, NamesWhatProductRefusesAndLeavesNothingBehind) {
    const auto unknown =
        post(R"({"order_items":[{"product_id":1,"quantity":1},{"product_id":99,"quantity":1}],)"
             R"("payment":{"currency_code":"EUR"}})");
    EXPECT_EQ(unknown.status, 404);
    EXPECT_EQ(field(unknown), "order_items[1].product_id");
    product_.put(2, 1250, 0);
    const auto out_of_stock = post(pens);
    EXPECT_EQ(out_of_stock.status, 409);
    EXPECT_EQ(field(out_of_stock), "order_items[1].quantity");
    product_.put(2, INT64_MAX, 1);
    const auto dear = post(pens);
    EXPECT_EQ(dear.status, 400);
    EXPECT_EQ(field(dear), "order_items");
    product_.put(2, std::uint64_t{1} << 63, 1);
    EXPECT_EQ(post(pens).status, 500);
    EXPECT_EQ(post("{}").status, 400);
    EXPECT_EQ(purchases(), 0);
    EXPECT_EQ(events(), 0);
}

TEST_F(PurchaseHttp, TakesTheLastUnit) {
    product_.put(1, 4900, 2);
    product_.put(2, 0, 1);  // free, and known all the same
    EXPECT_EQ(post(pens).status, 202);
}

TEST_F(PurchaseHttp, AsksProductASecondTimeAndNoMore) {
    product_.refuse(1);
    EXPECT_EQ(post(pens).status, 202);
    EXPECT_EQ(product_.asked(), 2);
    product_.refuse(2);
    const auto refused = post(pens);
    EXPECT_EQ(refused.status, 503);
    EXPECT_EQ(refused.headers.at("Retry-After"), "1");
    EXPECT_EQ(product_.asked(), 4);
    EXPECT_EQ(purchases(), 1);
}

TEST_F(PurchaseHttp, SaysThatProductIsAwayUntilItIsBack) {
    product_.stop();
    const auto away = post(pens);
    EXPECT_EQ(away.status, 503);
    EXPECT_EQ(away.headers.at("Retry-After"), "1");
    EXPECT_EQ(get("/readyz").status, 200);
    product_.start();
    support::eventually(std::chrono::seconds{20}, "product to be found again",
                        [&] { return post(pens).status == 202; });
}

TEST_F(PurchaseHttp, WaitsForASlowProductNoLongerThanItsDeadline) {
    product_.hold();
    const auto slow = post(pens);  // raw_http gives up after 10 s
    EXPECT_EQ(slow.status, 503) << slow.body;
    EXPECT_EQ(product_.asked(), 1) << "what is slow is not asked again";
    product_.release();
    EXPECT_EQ(post(pens).status, 202);
}

TEST_F(PurchaseHttp, AnswersARepeatedKeyThoughStockAndProductHaveGone) {
    const Headers key{{"Idempotency-Key", "k"}};
    const auto first = post(pens, key);
    ASSERT_EQ(first.status, 202);
    product_.put(1, 4900, 0);
    EXPECT_EQ(post(pens).status, 409);
    EXPECT_EQ(post(pens, key).body, first.body);
    product_.stop();
    EXPECT_EQ(post(pens, key).body, first.body);
    EXPECT_EQ(post(pens, key, "/api/purchase").body, first.body);
    const auto other =
        post(R"({"order_items":[{"product_id":1,"quantity":1}],"payment":{"currency_code":"EUR"}})",
             key);
    EXPECT_EQ(other.status, 422);
    EXPECT_EQ(field(other), "Idempotency-Key");
    EXPECT_EQ(purchases(), 1);
    EXPECT_EQ(events(), 1);
    // Another customer's keys are another customer's own.
    product_.start();
    product_.put(1, 4900, 100);
    support::eventually(std::chrono::seconds{20}, "another customer's purchase", [&] {
        return post(pens, {{"Idempotency-Key", "k"}, {"Authorization", "8"}}).status == 202;
    });
    EXPECT_EQ(purchases(), 2);
}

TEST_F(PurchaseHttp, MakesOnePurchaseOfFiftyEqualRequestsAtOnce) {
    std::vector<std::future<Answer>> answers;
    for (int i = 0; i < 50; ++i) {
        answers.push_back(std::async(std::launch::async,
                                     [this] { return post(pens, {{"Idempotency-Key", "k"}}); }));
    }
    std::set<std::string> bodies;
    for (auto& answer : answers) {
        const auto got = answer.get();
        EXPECT_EQ(got.status, 202) << got.body;
        bodies.insert(got.body);
    }
    EXPECT_EQ(bodies.size(), 1U) << "purchases=" << bodies.size();
    EXPECT_EQ(purchases(), 1);
    EXPECT_EQ(events(), 1);
}

TEST_F(PurchaseHttp, KeepsToItsRole) {
    for (const auto* forbidden :
         {"delete from purchases", "update purchases set amount = 0", "delete from purchase_event",
          "update purchase_event set status = 1", "update purchase_items set quantity = 1"}) {
        pqxx::connection connection{database_.dsn("shop_purchase")};
        pqxx::work tx{connection};
        EXPECT_THROW(tx.exec(forbidden), pqxx::insufficient_privilege) << forbidden;
    }
}

}  // namespace
}  // namespace integration

// The walk-throughs of the platforms that the shop replaces, command by command, with the bodies of
// their own instructions: through HTTP alone, on the whole shop.

#include <format>
#include <sstream>

#include "integration/older_client.hpp"
#include "support/kafka.hpp"
#include "support/wait.hpp"

namespace integration {
namespace {

using std::chrono::seconds;

class Walkthrough : public OlderClient {
protected:
    void move_house() {
        const std::string personal = "/api/v1/account/customer/personal";
        const std::string delivery = "/api/v1/account/customer/delivery";
        const auto who = R"({"first_name":"dep","last_name":"trai",)"
                         R"("email":"deptrai123@gmail.com"})"_json;
        EXPECT_EQ(ask(200, "account", "GET", personal), who);
        EXPECT_EQ(ask(200, "account", "GET", delivery + "/"),
                  R"({"address":"123 street","phone_number":"0123456788"})"_json);
        const auto moved = R"({"address":"124 street","phone_number":"0123456789"})"_json;
        const auto done = R"({"message":"success"})"_json;
        EXPECT_EQ(ask(200, "account", "PUT", personal, who.dump()), done);
        EXPECT_EQ(ask(200, "account", "PUT", delivery, moved.dump()), done);
        EXPECT_EQ(ask(200, "account", "GET", delivery), moved);
    }

    // "STEP STATUS" of each event of a stream, and whether they were written as the contract says.
    static std::vector<std::string> steps(const support::Answer& stream, std::int64_t purchase) {
        EXPECT_EQ(stream.status, 200) << stream.body;
        EXPECT_EQ(stream.headers.at("Content-Type"), "text/event-stream");
        std::vector<std::string> seen;
        std::istringstream lines{stream.body};
        for (std::string line, before; std::getline(lines, line); before = line) {
            if (!line.starts_with("data: ")) continue;
            EXPECT_EQ(before, "event: data");
            const auto event = json::parse(line.substr(6));
            EXPECT_EQ(event["purchase_id"], purchase);
            EXPECT_TRUE(event["timestamp"].is_string());
            seen.push_back(event["step"].get<std::string>() + ' ' +
                           event["status"].get<std::string>());
        }
        return seen;
    }

    const std::vector<std::string> all_went_well_{"UPDATE_PRODUCT_INVENTORY EXECUTE",
                                                  "UPDATE_PRODUCT_INVENTORY SUCCESS",
                                                  "CREATE_ORDER EXECUTE",
                                                  "CREATE_ORDER SUCCESS",
                                                  "CREATE_PAYMENT EXECUTE",
                                                  "CREATE_PAYMENT SUCCESS"};

    void buy() {
        const Headers headers{{"Idempotency-Key", "cart-17"},
                              {"correlation-id", "cart-17"},
                              {"traceparent", trace_ + "00f067aa0ba902b7-01"},
                              {"tracestate", "rojo=1"}};
        const auto body = purchase_body(4, 5);
        bought_ = ask(202, "purchase", "POST", "/api/v1/purchases", body, headers)["purchase_id"];
        EXPECT_EQ(ask(202, "purchase", "POST", "/api/v1/purchases/", body, headers)["purchase_id"],
                  bought_);
        EXPECT_EQ(await_end(bought_)["success"], true);
        EXPECT_EQ(steps(say("purchase", "GET", std::format("/api/v1/purchases/{}/events", bought_)),
                        bought_),
                  all_went_well_);
        ask(409, "purchase", "POST", "/api/v1/purchases", purchase_body(997, 1));
        ask(404, "purchase", "POST", "/api/v1/purchases",
            R"({"order_items":[{"product_id":1234567,"quantity":1}],)"
            R"("payment":{"currency_code":"VND"}})");
        ask(400, "purchase", "POST", "/api/v1/purchases",
            R"({"order_items":[],"payment":{"currency_code":"VND"}})");
    }

    void see_what_came_of_it() {
        const auto order = std::format("/api/v1/orders/{}", bought_);
        support::eventually(seconds{20}, "order to hear of the end",
                            [&] { return ask(200, "order", "GET", order)["status"] == "PAID"; });
        const auto shown = ask(200, "order", "GET", order);
        EXPECT_EQ(shown["order_id"], bought_);
        EXPECT_EQ(shown["products"], json::parse(std::format(
                                         R"([{{"id":{},"category_id":{},
            "name":"Whey Protein Isolate","brand_name":"OstroVit",
            "description":"100% Whey Protein Isolate","price":1390,"quantity":4}},
            {{"id":{},"category_id":{},
            "name":"Whey Protein Professional","brand_name":"Scitec Nutrition",
            "description":"100% Whey Protein Professional","price":3780,"quantity":5}}])",
                                         isolate_, category_, professional_, category_)));
        const auto payment =
            ask(200, "payment", "GET", std::format("/api/v1/payments/{}", bought_));
        EXPECT_TRUE(payment["customer_id"].is_number_integer());
        EXPECT_EQ(payment["id"], bought_);
        EXPECT_EQ(payment["amount"], 4 * 1390 + 5 * 3780);
        EXPECT_EQ(payment["currency_code"], "VND");
        EXPECT_EQ(payment["status"], "TAKEN");
        EXPECT_EQ(inventory(isolate_), 996);
        EXPECT_EQ(inventory(professional_), 995);
    }

    // Nothing of it is another's, nor anybody's without a token.
    void keep_it_private() {
        const auto mine = token_;
        token_.clear();
        ask(401, "order", "GET", std::format("/api/v1/orders/{}", bought_));
        ask(401, "payment", "GET", std::format("/api/v1/payments/{}", bought_));
        ask(401, "purchase", "GET", std::format("/api/v1/purchases/{}", bought_));
        ask(401, "purchase", "POST", "/api/v1/purchases", purchase_body(1, 1));
        ask(401, "product", "POST", "/api/v1/categories", R"({"name":"a","description":"b"})");
        token_ = ask(201, "account", "POST", "/api/v1/account/auth/register",
                     R"({"email":"other@example.com","password":"password","first_name":"o",)"
                     R"("last_name":"t","address":"1 street","phone_number":"1"})")["access_token"];
        ask(404, "order", "GET", std::format("/api/v1/orders/{}", bought_));
        ask(404, "payment", "GET", std::format("/api/v1/payments/{}", bought_));
        ask(404, "purchase", "GET", std::format("/api/v1/purchases/{}", bought_));
        token_ = mine;
    }

    // One trace and one correlation, from the request to the last message of its purchase.
    void follow_its_trace() {
        std::size_t messages = 0;
        for (const auto& name : support::all_topics()) {
            for (const auto& record : support::read_topic(topic(name))) {
                if (record.key != std::to_string(bought_)) continue;
                ++messages;
                EXPECT_TRUE(record.headers.at("traceparent").starts_with(trace_)) << name;
                EXPECT_EQ(record.headers.at("tracestate"), "rojo=1") << name;
                EXPECT_EQ(record.headers.at("correlation-id"), "cart-17") << name;
            }
        }
        // CreatePurchase; of each step the command and its reply; and the six results.
        EXPECT_EQ(messages, 1U + 3U * 2U + 6U);
    }

    // Profile B.
    void buy_as_older_clients_do() {
        const auto page = ask(200, "product", "GET", "/api/products?offset=5&size=500");
        EXPECT_EQ(page, json::parse(std::format(
                            R"({{"catalogs":[
            {{"id":{},"name":"Whey Protein Isolate","inventory":996,"price":1390}},
            {{"id":{},"name":"Whey Protein Professional","inventory":995,"price":3780}}]}})",
                            isolate_, professional_)));
        EXPECT_EQ(ask(200, "product", "GET", "/api/products?offset=6&size=1")["catalogs"].size(),
                  1U);
        ask(400, "product", "GET", "/api/products?offset=0&size=501");
        const std::int64_t id =
            ask(201, "purchase", "POST", "/api/purchase", purchase_body(1, 1))["purchase_id"];
        const Headers events{{"Accept", "text/event-stream"}};
        EXPECT_EQ(steps(say("purchase", "GET", "/api/purchase/result", {}, events), id),
                  all_went_well_);
        EXPECT_EQ(
            steps(say("purchase", "GET",
                      std::format("/api/purchase/result?purchase_id={}", bought_), {}, events),
                  bought_),
            all_went_well_);
    }

    const std::string trace_ = "00-4bf92f3577b34da6a3ce929d0e0e4736-";
    std::int64_t bought_ = 0;
};

TEST_F(Walkthrough, OfTheOlderPlatformsWorksCommandByCommand) {
    sign_up();
    move_house();
    stock_up();
    buy();
    see_what_came_of_it();
    keep_it_private();
    follow_its_trace();
    buy_as_older_clients_do();
}

}  // namespace
}  // namespace integration

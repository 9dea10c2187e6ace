// Order in the purchase saga, by commands from Kafka.

#include "domain/order/order_service.hpp"
#include "http/order/order_commands.hpp"
#include "http/order/order_routes.hpp"
#include "integration/participant_fixture.hpp"

namespace integration {
namespace {

class OrderParticipant : public ParticipantTest {
protected:
    OrderParticipant() : ParticipantTest{"order"} {
        start([this](auto& consumer) { http::order::subscribe_to_saga(consumer, cache_); });
    }
    support::Draft result(std::int64_t id, const json& success) {
        return event("PurchaseResult", {{"version", 1},
                                        {"timestamp", "2026-01-01T00:00:00.000Z"},
                                        {"purchase_id", id},
                                        {"success", success},
                                        {"status", 1},
                                        {"step", 2}});
    }
};

TEST_F(OrderParticipant, StoresWhatTheCustomerBoughtAndRepeatsItsAnswer) {
    send({command("CreateOrder", 42), command("CreateOrder", 42), command("CreateOrder", 42)});
    EXPECT_EQ(answers(), (Answers(3, "CreateOrder 42 yes")));
    const auto reply = replies().front();
    EXPECT_EQ(reply.purchase_content, purchase());
    EXPECT_TRUE(reply.traceparent.starts_with("00-4bf92f3577b34da6a3ce929d0e0e4736-"));
    EXPECT_EQ(status(42), "PENDING");
    EXPECT_EQ(query<int>("select count(*) from order_items"), 2);
    EXPECT_EQ(query<std::string>("select name || brand_name || description || category_id || price "
                                 "from order_items where product_id = 7"),
              "QuillGooseWhite14900");
}

TEST_F(OrderParticipant, RefusesWhatNobodyCanOrder) {
    auto empty = purchase();
    empty["order"]["order_items"] = json::array();
    auto twice = purchase();
    twice["order"]["order_items"].push_back(twice["order"]["order_items"][0]);
    send({command("CreateOrder", 1, empty), command("CreateOrder", 2, twice)});
    auto given = answers();
    std::ranges::sort(given);
    EXPECT_EQ(given, (Answers{"CreateOrder 1 no: an order has 1 to 100 items",
                              "CreateOrder 2 no: product 7 is listed twice"}));
    EXPECT_EQ(query<int>("select count(*) from orders"), 0);
}

TEST_F(OrderParticipant, CancelsButNeverDeletesARolledBackOrder) {
    send({command("CreateOrder", 42), command("RollbackOrder", 42), command("RollbackOrder", 42),
          command("CreateOrder", 42)});
    EXPECT_EQ(answers(), (Answers{"CreateOrder 42 yes", "RollbackOrder 42 yes",
                                  "RollbackOrder 42 yes", "CreateOrder 42 yes"}));
    EXPECT_EQ(status(42), "CANCELLED");
    EXPECT_EQ(query<int>("select count(*) from order_items"), 2);
}

TEST_F(OrderParticipant, RefusesAnOrderThatWasRolledBackBeforeItCame) {
    send({command("RollbackOrder", 42), command("CreateOrder", 42), command("RollbackOrder", 42),
          command("CreateOrder", 42)});
    const std::string refused =
        "CreateOrder 42 no: purchase 42 was rolled back before its order was created";
    EXPECT_EQ(answers(),
              (Answers{"RollbackOrder 42 yes", refused, "RollbackOrder 42 yes", refused}));
}

TEST_F(OrderParticipant, LearnsTheEndOfItsPurchase) {
    send({command("CreateOrder", 1), command("CreateOrder", 2), result(1, nullptr),
          result(2, nullptr)});
    EXPECT_EQ(status(1), "PENDING");
    send({result(1, true), result(2, false), result(1, true), result(2, false), result(3, false)});
    EXPECT_EQ(status(1), "PAID");
    EXPECT_EQ(status(2), "CANCELLED");
    EXPECT_EQ(query<int>("select count(*) from inbox.dead"), 0);
    // A contradiction is a person's to look at.
    send({result(1, false), command("RollbackOrder", 1)});
    EXPECT_EQ(status(1), "PAID");
    EXPECT_EQ(query<int>("select count(*) from inbox.dead"), 2);
}

TEST_F(OrderParticipant, ShowsAnOrderToItsOwnerOnly) {
    send({command("CreateOrder", 42), command("RollbackOrder", 43)});
    cache_.filter(pool_, "orders");
    const auto shown = get(http::order::add_routes, "/api/v1/orders/42", "3");
    ASSERT_EQ(shown.status, 200) << shown.body;
    EXPECT_EQ(json::parse(shown.body),
              json::parse(R"({"order_id":42,"status":"PENDING","amount":11050,
                  "currency_code":"EUR","products":[
                  {"id":6,"category_id":0,"name":"","brand_name":"","description":"","price":0,
                   "quantity":1},
                  {"id":7,"category_id":1,"name":"Quill","brand_name":"Goose",
                   "description":"White","price":4900,"quantity":2}]})"));
    expect_to_be_its_owners_alone(http::order::add_routes);
    send({result(42, true), command("CreateOrder", 44)});
    EXPECT_TRUE(support::happens_within(std::chrono::seconds{2}, [&] {
        return get(http::order::add_routes, "/api/v1/orders/42", "3").body.contains("PAID");
    })) << "stale";
    EXPECT_EQ(get(http::order::add_routes, "/api/v1/orders/44", "3").status, 200)
        << "denied: it exists";
}

}  // namespace
}  // namespace integration

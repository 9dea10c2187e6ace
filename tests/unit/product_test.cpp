#include "domain/product/product.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "domain/product/product_events.hpp"

namespace domain::product {
namespace {

using nlohmann::json;

constexpr ProductId pen{1}, ink{2};

TEST(Product, TotalsTheLinesOfEachProduct) {
    const auto quantities = total({{ink, 1}, {pen, 2}, {ink, 3}});
    EXPECT_EQ(quantities, (Quantities{{pen, 2}, {ink, 4}}));
}

TEST(Product, RefusesWhatCannotBeReserved) {
    EXPECT_EQ(total({}).error().detail, "the purchase has no items");
    for (const auto quantity : {std::int64_t{0}, std::int64_t{-1}, INT64_MIN}) {
        EXPECT_EQ(total({{pen, quantity}}).error().detail,
                  "the quantity of product 1 is out of range");
    }
    EXPECT_FALSE(total({{pen, INT64_MAX}, {pen, 1}}).has_value());
}

TEST(Product, SellsTheLastUnit) {
    EXPECT_EQ(take({{pen, 1}}, {{pen, 1}}), (Quantities{{pen, 0}}));
    EXPECT_FALSE(take({{pen, 1}}, {{pen, 0}}).has_value());
}

TEST(Product, TakesAllOrNothing) {
    EXPECT_EQ(take({{pen, 2}, {ink, 3}}, {{pen, 5}, {ink, 3}}), (Quantities{{pen, 3}, {ink, 0}}));
    const auto short_of_ink = take({{pen, 2}, {ink, 4}}, {{pen, 5}, {ink, 3}});
    EXPECT_EQ(short_of_ink.error().reason, Refusal::Reason::conflict);
    EXPECT_EQ(short_of_ink.error().detail, "not enough of product 2: 4 wanted, 3 left");
    const auto unknown = take({{pen, 2}, {ink, 4}}, {{pen, 5}});
    EXPECT_EQ(unknown.error().reason, Refusal::Reason::unknown);
    EXPECT_EQ(unknown.error().detail, "there is no product 2");
}

constexpr auto command =
    R"({"version":1,"timestamp":"2026-01-01T00:00:00.000Z","purchase_id":7,"purchase":{"order":
       {"customer_id":3,"order_items":[{"product_id":1,"quantity":2,"price":5}]},
       "payment":{"currency_code":"EUR","amount":10}}})";

TEST(ProductEvents, RepeatsThePurchaseInTheReply) {
    const auto read = read_update_inventory(command).value();
    EXPECT_EQ(read.id, PurchaseId{7});
    EXPECT_EQ(read.lines, (std::vector<Line>{{pen, 2}}));
    const auto time = Time{} + std::chrono::milliseconds{1'500};
    const auto reply = json::parse(reply_json({read.id, read.purchase, "no"}, time));
    EXPECT_EQ(reply["purchase"], json::parse(command)["purchase"]);
    EXPECT_EQ(reply["success"], false);
    EXPECT_EQ(reply["error_message"], "no");
    EXPECT_EQ(reply["timestamp"], "1970-01-01T00:00:01.500Z");
    EXPECT_EQ(json::parse(reply_json({read.id, read.purchase, ""}, time))["success"], true);
}

TEST(ProductEvents, NeedsNoPurchaseForARollback) {
    EXPECT_EQ(read_rollback_inventory(R"({"version":1,"purchase_id":7})").value().purchase, "null");
    EXPECT_EQ(json::parse(read_rollback_inventory(command).value().purchase),
              json::parse(command)["purchase"]);
}

TEST(ProductEvents, RefusesMalformedCommands) {
    for (const auto* text :
         {"", "{}", "[]", R"({"version":2,"purchase_id":7})", R"({"version":1,"purchase_id":"7"})",
          R"({"version":1,"purchase_id":0})", R"({"version":1,"purchase_id":1.5})"}) {
        EXPECT_FALSE(read_update_inventory(text).has_value()) << text;
        EXPECT_FALSE(read_rollback_inventory(text).has_value()) << text;
    }
    for (const auto* purchase :
         {"null", "{}", R"({"order":{}})", R"({"order":{"order_items":{}}})",
          R"({"order":{"order_items":[1]}})", R"({"order":{"order_items":[{"product_id":1}]}})",
          R"({"order":{"order_items":[{"product_id":1,"quantity":1.5}]}})"}) {
        const auto text = R"({"version":1,"purchase_id":7,"purchase":)" + std::string{purchase};
        EXPECT_FALSE(read_update_inventory(text + "}").has_value()) << purchase;
        EXPECT_TRUE(read_rollback_inventory(text + "}").has_value()) << purchase;
    }
}

}  // namespace
}  // namespace domain::product

#include "domain/product/product.hpp"

#include <gtest/gtest.h>

#include "domain/product/product_events.hpp"

namespace domain::product {
namespace {

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

TEST(ProductEvents, ReadsTheLinesOfACommand) {
    EXPECT_EQ(read_update_inventory(
                  R"({"version":1,"purchase_id":7,"purchase":{"order":
                     {"customer_id":3,"order_items":[{"product_id":1,"quantity":2,"price":5}]}}})"),
              (std::vector<Line>{{pen, 2}}));
}

TEST(ProductEvents, RefusesMalformedCommands) {
    for (const auto* text : {"", "{}", "[]", R"({"version":1,"purchase_id":7})"}) {
        EXPECT_FALSE(read_update_inventory(text).has_value()) << text;
    }
    for (const auto* purchase :
         {"null", "{}", R"({"order":{}})", R"({"order":{"order_items":{}}})",
          R"({"order":{"order_items":[1]}})", R"({"order":{"order_items":[{"product_id":1}]}})",
          R"({"order":{"order_items":[{"product_id":1,"quantity":1.5}]}})"}) {
        const auto text = R"({"version":1,"purchase_id":7,"purchase":)" + std::string{purchase};
        EXPECT_FALSE(read_update_inventory(text + "}").has_value()) << purchase;
    }
}

}  // namespace
}  // namespace domain::product

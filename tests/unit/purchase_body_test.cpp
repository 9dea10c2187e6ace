#include <gtest/gtest.h>

#include "http/purchase/purchase_request.hpp"

namespace http::purchase {
namespace {

using domain::CustomerId;
using domain::ProductId;

TEST(PurchaseBody, BecomesACommand) {
    const auto command = read_purchase(
        R"({"order_items":[{"product_id":2,"quantity":1},{"product_id":1,"quantity":3}],
            "payment":{"currency_code":"EUR"}})",
        "key-1", CustomerId{7});
    ASSERT_TRUE(command);
    EXPECT_EQ(command->customer, CustomerId{7});
    ASSERT_EQ(command->wanted.size(), 2U);
    EXPECT_EQ(command->wanted.at(ProductId{1}).quantity, 3);
    EXPECT_EQ(command->wanted.at(ProductId{1}).position, 1U);
    EXPECT_EQ(command->wanted.at(ProductId{2}).position, 0U);
    EXPECT_EQ(command->currency.code(), "EUR");
    EXPECT_EQ(command->idempotency_key, "key-1");
}

TEST(PurchaseBody, AddsUpAProductThatIsListedTwice) {
    const auto command = read_purchase(
        R"({"order_items":[{"product_id":1,"quantity":1},{"product_id":1,"quantity":3}],
            "payment":{"currency_code":"EUR"}})",
        "", CustomerId{7});
    ASSERT_TRUE(command);
    ASSERT_EQ(command->wanted.size(), 1U);
    EXPECT_EQ(command->wanted.at(ProductId{1}).quantity, 4);
    EXPECT_EQ(command->wanted.at(ProductId{1}).position, 0U);
}

TEST(PurchaseBody, IgnoresACustomerThatTheClientClaimsToBe) {
    const auto command = read_purchase(
        R"({"customer_id":1,"order_items":[{"product_id":1,"quantity":1}],
            "payment":{"currency_code":"EUR"}})",
        "", CustomerId{7});
    EXPECT_EQ(command->customer, CustomerId{7});
}

struct Bad {
    const char* items;
    const char* payment;
    const char* field;
};

TEST(PurchaseBody, NamesTheFieldThatIsWrong) {
    constexpr auto euro = R"({"currency_code":"EUR"})";
    constexpr auto pen = R"([{"product_id":1,"quantity":1}])";
    const Bad table[] = {
        {"null", euro, "order_items"},
        {"{}", euro, "order_items"},
        {"[]", euro, "order_items"},
        {"[7]", euro, "order_items[0]"},
        {R"([{"quantity":1}])", euro, "order_items[0].product_id"},
        {R"([{"product_id":"1","quantity":1}])", euro, "order_items[0].product_id"},
        {R"([{"product_id":0,"quantity":1}])", euro, "order_items[0].product_id"},
        {R"([{"product_id":-1,"quantity":1}])", euro, "order_items[0].product_id"},
        {R"([{"product_id":1.0,"quantity":1}])", euro, "order_items[0].product_id"},
        {R"([{"product_id":9223372036854775808,"quantity":1}])", euro, "order_items[0].product_id"},
        {R"([{"product_id":1}])", euro, "order_items[0].quantity"},
        {R"([{"product_id":1,"quantity":null}])", euro, "order_items[0].quantity"},
        {R"([{"product_id":1,"quantity":0}])", euro, "order_items[0].quantity"},
        {R"([{"product_id":1,"quantity":-3}])", euro, "order_items[0].quantity"},
        {R"([{"product_id":1,"quantity":1.5}])", euro, "order_items[0].quantity"},
        {R"([{"product_id":1,"quantity":true}])", euro, "order_items[0].quantity"},
        {R"([{"product_id":1,"quantity":10001}])", euro, "order_items[0].quantity"},
        {R"([{"product_id":1,"quantity":1},{"product_id":2,"quantity":1e99}])", euro,
         "order_items[1].quantity"},
        {R"([{"product_id":1,"quantity":9999},{"product_id":1,"quantity":2}])", euro,
         "order_items[1].quantity"},
        {pen, "null", "payment"},
        {pen, "[]", "payment"},
        {pen, "{}", "payment.currency_code"},
        {pen, R"({"currency_code":978})", "payment.currency_code"},
        {pen, R"({"currency_code":"eur"})", "payment.currency_code"},
        {pen, R"({"currency_code":"EURO"})", "payment.currency_code"},
    };
    for (const auto& [items, payment, field] : table) {
        const auto body =
            std::string{R"({"order_items":)"} + items + R"(,"payment":)" + payment + "}";
        const auto refused = read_purchase(body, "", CustomerId{0});
        ASSERT_FALSE(refused) << body;
        EXPECT_EQ(refused.error().status, 400) << body;
        EXPECT_EQ(refused.error().field, field) << body;
    }
}

TEST(PurchaseBody, NamesTheFieldThatIsMissing) {
    EXPECT_EQ(read_purchase("{}", "", CustomerId{0}).error().field, "order_items");
    EXPECT_EQ(read_purchase(R"({"order_items":[{"product_id":1,"quantity":1}]})", "", CustomerId{0})
                  .error()
                  .field,
              "payment");
}

TEST(PurchaseBody, RefusesBodiesThatAreNoJsonObject) {
    for (const auto& body : {std::string{}, std::string{"order_items=1"}, std::string{"[]"},
                             std::string{"{"}, std::string{R"({"a":1}})"}, std::string{"\xff\xfe"},
                             std::string(50'000, '['), R"({"a":)" + std::string(50'000, '[')}) {
        const auto refused = read_purchase(body, "", CustomerId{0});
        ASSERT_FALSE(refused) << body.substr(0, 20);
        EXPECT_EQ(refused.error().status, 400);
    }
}

TEST(PurchaseBody, RefusesTooManyItems) {
    std::string items = R"({"product_id":1,"quantity":1})";
    for (int i = 0; i < 100; ++i) items += R"(,{"product_id":1,"quantity":1})";
    const auto refused =
        read_purchase(R"({"order_items":[)" + items + R"(],"payment":{"currency_code":"EUR"}})", "",
                      CustomerId{0});
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().field, "order_items");
}

TEST(PurchaseBody, RefusesAnIdempotencyKeyThatIsNoToken) {
    EXPECT_EQ(read_purchase("{}", "a b", CustomerId{0}).error().field, "Idempotency-Key");
    EXPECT_EQ(read_purchase("{}", std::string(129, 'k'), CustomerId{0}).error().field,
              "Idempotency-Key");
}

}  // namespace
}  // namespace http::purchase

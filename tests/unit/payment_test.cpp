#include "domain/payment/payment.hpp"

#include <gtest/gtest.h>

#include "domain/payment/payment_events.hpp"

namespace domain::payment {
namespace {

const Currency euro = Currency::parse("EUR").value();

Demand demand(std::int64_t amount) { return {OrderId{42}, CustomerId{3}, {amount, euro}}; }

TEST(Payment, TakesUpToTheLimit) {
    const auto payment = decide(demand(500), Money{500, euro});
    EXPECT_EQ(payment.status, Status::taken);
    EXPECT_EQ(payment.id, PaymentId{42});
    EXPECT_EQ(payment.amount, (Money{500, euro}));
    EXPECT_EQ(payment.decline_reason, "");
}

TEST(Payment, DeclinesMoreThanTheLimitUnsupportedCurrenciesAndNegativeAmounts) {
    EXPECT_EQ(decide(demand(501), Money{500, euro}).decline_reason,
              "the amount is over the limit of 500 EUR minor units");
    EXPECT_EQ(decide(demand(1), std::nullopt).decline_reason, "currency EUR is not supported");
    EXPECT_EQ(decide(demand(-1), Money{500, euro}).status, Status::declined);
}

TEST(PaymentEvents, TellOfTheAnswer) {
    const auto taken = decide(demand(500), Money{500, euro});
    EXPECT_EQ(event_type(taken), "PaymentTaken");
    EXPECT_EQ(event_json(taken),
              R"({"amount":500,"currency_code":"EUR","customer_id":3,"order_id":42,)"
              R"("payment_id":42,"version":1})");
    const auto declined = decide(demand(500), std::nullopt);
    EXPECT_EQ(event_type(declined), "PaymentDeclined");
    EXPECT_EQ(event_json(declined),
              R"({"amount":500,"currency_code":"EUR","customer_id":3,"order_id":42,)"
              R"("payment_id":42,"reason":"currency EUR is not supported","version":1})");
}

TEST(PaymentEvents, ReadWhatIsDemanded) {
    const auto read = read_order_placed(
        R"({"version":1,"order_id":42,"customer_id":3,"currency_code":"EUR","amount":500,"x":1})");
    ASSERT_TRUE(read);
    EXPECT_EQ(read->order, OrderId{42});
    EXPECT_EQ(read->customer, CustomerId{3});
    EXPECT_EQ(read->amount, (Money{500, euro}));
}

TEST(PaymentEvents, RefuseWhatIsNotTheEventItShouldBe) {
    for (const auto* wrong :
         {"", "7", R"({"version":1,"order_id":42,"customer_id":3,"currency_code":"EUR"})",
          R"({"version":1,"order_id":42,"customer_id":3,"currency_code":"euro","amount":500})",
          R"({"version":1,"order_id":42,"customer_id":3,"currency_code":978,"amount":500})",
          R"({"version":2,"order_id":42,"customer_id":3,"currency_code":"EUR","amount":500})"}) {
        EXPECT_FALSE(read_order_placed(wrong)) << wrong;
    }
}

}  // namespace
}  // namespace domain::payment

#include "domain/payment/payment.hpp"

#include <gtest/gtest.h>

#include "domain/payment/payment_events.hpp"

namespace domain::payment {
namespace {

const Currency euro = Currency::parse("EUR").value();

Payment ask_for(std::int64_t amount, const Limit& limit) {
    return ask({PaymentId{42}, CustomerId{3}, {amount, euro}}, limit, "ledger");
}

TEST(Payment, IsAskedForUpToTheLimit) {
    const auto payment = ask_for(500, Money{500, euro});
    EXPECT_EQ(payment.status, Status::pending);
    EXPECT_EQ(payment.id, PaymentId{42});
    EXPECT_EQ(payment.amount, (Money{500, euro}));
    EXPECT_EQ(payment.decline_reason, "");
}

TEST(Payment, DeclinesMoreThanTheLimitUnsupportedCurrenciesAndNegativeAmounts) {
    EXPECT_EQ(ask_for(501, Money{500, euro}).decline_reason,
              "the amount is over the limit of 500 EUR minor units");
    EXPECT_EQ(ask_for(1, std::nullopt).decline_reason, "currency EUR is not supported");
    EXPECT_EQ(ask_for(-1, Money{500, euro}).status, Status::declined);
}

TEST(PaymentEvents, RefuseWhatIsNotTheEventItShouldBe) {
    for (const auto* wrong :
         {"", "7", R"({"version":1,"purchase_id":42})",
          R"({"version":1,"purchase_id":42,"purchase":{"order":{"customer_id":3},"payment":{}}})",
          R"({"version":1,"purchase_id":42,"purchase":{"order":{"customer_id":3},)"
          R"("payment":{"currency_code":"euro","amount":500}}})",
          R"({"version":1,"purchase_id":42,"purchase":{"order":{"customer_id":3},)"
          R"("payment":{"currency_code":978,"amount":500}}})",
          R"({"version":2,"purchase_id":42,"purchase":{"order":{"customer_id":3},)"
          R"("payment":{"currency_code":"EUR","amount":500}}})"}) {
        EXPECT_FALSE(read_create_payment(wrong)) << wrong;
    }
}

}  // namespace
}  // namespace domain::payment

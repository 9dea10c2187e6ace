// What every provider of payments promises, held to both: the ledger, and Stripe.

#include <gtest/gtest.h>

#include <functional>
#include <future>
#include <memory>
#include <pqxx/pqxx>

#include "domain/payment/ledger.hpp"
#include "http/payment/stripe.hpp"
#include "integration/stripe_double.hpp"
#include "support/database.hpp"

namespace integration {
namespace {

using namespace domain::payment;

Payment payment(std::int64_t id, std::int64_t amount) {
    return {domain::PaymentId{id},
            domain::CustomerId{3},
            {amount, domain::Currency::parse("EUR").value()},
            Status::pending};
}

struct Bank {
    virtual ~Bank() = default;
    virtual Provider& provider() = 0;
    virtual std::int64_t held(std::int64_t payment) = 0;  // what is the shop's of this payment
};

struct LedgerBank final : Bank {
    Provider& provider() override { return ledger; }
    std::int64_t held(std::int64_t payment) override {
        pqxx::connection connection{database.dsn()};
        return pqxx::nontransaction{connection}.query_value<std::int64_t>(
            "select coalesce(sum(amount), 0)::bigint from payment.posting p join payment.entry e "
            "on e.key = p.entry where account = 'sales' and payment_id = " +
            std::to_string(payment));
    }
    support::Database database{{"outbox", "payment"}};
    domain::Pool pool{{.dsn = database.dsn("shop_payment")}};
    Ledger ledger{pool};
};

struct StripeBank final : Bank {
    Provider& provider() override { return stripe; }
    std::int64_t held(std::int64_t payment) override { return stripe_double.held(payment); }
    StripeDouble stripe_double;
    http::payment::Stripe stripe{{.url = stripe_double.url(), .key = "sk_test_1"}};
};

template <class B>
std::unique_ptr<Bank> open() {
    return std::make_unique<B>();
}

class ProviderTest : public testing::TestWithParam<std::unique_ptr<Bank> (*)()> {
protected:
    std::unique_ptr<Bank> bank_ = GetParam()();
    Provider& provider_ = bank_->provider();
};

TEST_P(ProviderTest, TakesOnceHoweverOftenItIsAskedAndGivesTheSameAnswer) {
    const auto first = provider_.take(payment(1, 500));
    ASSERT_TRUE(std::holds_alternative<Taken>(first));
    EXPECT_NE(std::get<Taken>(first).reference, "");
    EXPECT_EQ(provider_.take(payment(1, 500)), first);
    EXPECT_EQ(bank_->held(1), 500);
    provider_.take(payment(2, 70));
    EXPECT_EQ(bank_->held(2), 70);
    EXPECT_EQ(bank_->held(1), 500);
}

TEST_P(ProviderTest, TakesOnceWhenAskedManyTimesAtOnce) {
    std::vector<std::future<Verdict>> answers;
    answers.reserve(8);
    for (int i = 0; i < 8; ++i) {
        answers.push_back(
            std::async(std::launch::async, [this] { return provider_.take(payment(1, 500)); }));
    }
    const auto first = answers.front().get();
    for (std::size_t i = 1; i < answers.size(); ++i) EXPECT_EQ(answers[i].get(), first);
    EXPECT_EQ(bank_->held(1), 500);
}

TEST_P(ProviderTest, GivesBackOnceAndTakesNothingAgainAfterwards) {
    auto taken = payment(1, 500);
    const auto first = provider_.take(taken);
    taken.reference = std::get<Taken>(first).reference;
    provider_.refund(taken);
    EXPECT_EQ(bank_->held(1), 0);
    provider_.refund(taken);
    EXPECT_EQ(bank_->held(1), 0);
    EXPECT_EQ(provider_.take(payment(1, 500)), first);
    EXPECT_EQ(bank_->held(1), 0);
}

TEST_P(ProviderTest, DoesWithinATransactionWhatItRecordsThereAndNothingElse) {
    support::Database database{{"outbox", "payment"}};
    pqxx::connection connection{database.dsn("shop_payment")};
    const std::vector payments{payment(1, 500), payment(2, 70)};
    {
        pqxx::work rolled_back{connection};
        provider_.take_within(rolled_back, payments);
    }
    EXPECT_EQ(bank_->held(1), 0);
    pqxx::work tx{connection};
    const auto count = [&](const char* of) {
        return tx.query_value<int>(std::string{"select count(*) from payment."} + of);
    };
    const auto verdicts = provider_.take_within(tx, payments);
    const bool within = !verdicts.empty();
    EXPECT_EQ(verdicts.size(), within ? 2U : 0U);
    EXPECT_EQ(provider_.take_within(tx, payments), verdicts);
    EXPECT_EQ(count("entry"), within ? 2 : 0);
    EXPECT_EQ(provider_.refund_within(tx, payments), within);
    EXPECT_EQ(provider_.refund_within(tx, payments), within);
    EXPECT_EQ(count("entry"), within ? 4 : 0);
    EXPECT_EQ(count("posting"), within ? 8 : 0);
}

INSTANTIATE_TEST_SUITE_P(Of, ProviderTest, testing::Values(&open<LedgerBank>, &open<StripeBank>),
                         [](const auto& param) {
                             return std::string{param.index == 0 ? "Ledger" : "Stripe"};
                         });

TEST(Stripe, TellsWhyACardIsRefusedAndLeavesNothingThatCouldBeConfirmedLater) {
    StripeDouble stripe_double;
    http::payment::Stripe stripe{{.url = stripe_double.url(),
                                  .key = "sk_test_1",
                                  .payment_method = "pm_card_chargeDeclined"}};
    const Verdict declined = Declined{"Your card was declined."};
    EXPECT_EQ(stripe.take(payment(1, 500)), declined);
    EXPECT_EQ(stripe.take(payment(1, 500)), declined);
    EXPECT_EQ(stripe_double.charges(1), 0);
}

TEST(Stripe, ThrowsWhenNobodyAnswers) {
    http::payment::Stripe stripe{{.url = "http://127.0.0.1:1", .key = "sk_test_1"}};
    EXPECT_THROW(stripe.take(payment(1, 500)), std::runtime_error);
}

TEST(Stripe, NeverRepeatsItsKey) {
    StripeDouble stripe_double;
    http::payment::Stripe stripe{{.url = stripe_double.url(), .key = "canary"}};
    try {
        stripe.take(payment(1, 500));
        FAIL() << "stripe-mock takes any key";
    } catch (const std::runtime_error& error) {
        const std::string told = error.what();
        EXPECT_NE(told.find("Authorization was 'Bearer …'"), told.npos) << told;
        EXPECT_EQ(told.find("canary"), told.npos) << told;
    }
}

}  // namespace
}  // namespace integration

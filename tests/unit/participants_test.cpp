// What order and payment decide as participants of the purchase saga.

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "domain/order/order.hpp"
#include "domain/order/order_events.hpp"
#include "domain/participant.hpp"
#include "domain/payment/payment.hpp"
#include "domain/payment/payment_events.hpp"
#include "http/payment/stripe_webhook.hpp"

namespace domain {
namespace {

const Currency euro = Currency::parse("EUR").value();
constexpr auto envelope = R"({"version":1,"timestamp":"2026-01-01T00:00:00.000Z","purchase_id":42,)"
                          R"("purchase":{"order":{"customer_id":3,"order_items":)"
                          R"([{"product_id":7,"quantity":2}]},)"
                          R"("payment":{"currency_code":"EUR","amount":500}}})";

TEST(Participant, AnswersWithThePurchaseAsItCame) {
    const auto command = read_command("CreateOrder", envelope, {{"correlation-id", "cart"}});
    ASSERT_TRUE(command);
    const auto refused = tl::unexpected(Refusal{Refusal::Reason::conflict, "sold out"});
    const auto event = reply(*command, refused,
                             std::chrono::system_clock::time_point{std::chrono::milliseconds{7}});
    EXPECT_EQ(event.aggregate_type, "reply");
    EXPECT_EQ(event.aggregate_id, "42");
    EXPECT_EQ(event.headers.at("handler"), "CreateOrder");
    EXPECT_EQ(event.headers.at("correlation-id"), "cart");
    const auto body = nlohmann::json::parse(std::get<outbox::Json>(event.content).text);
    EXPECT_EQ(body["timestamp"], "1970-01-01T00:00:00.007Z");
    EXPECT_EQ(body["purchase"], nlohmann::json::parse(envelope)["purchase"]);
    EXPECT_EQ(body["success"], false);
    EXPECT_EQ(body["error_message"], "sold out");
}

TEST(Participant, NeedsNoPurchaseForARollback) {
    EXPECT_EQ(read_command("RollbackOrder", R"({"version":1,"purchase_id":42})", {})->purchase,
              "null");
    for (const auto* wrong : {"", "[]", R"({"version":2,"purchase_id":42})", R"({"version":1})",
                              R"({"version":1,"purchase_id":0})"}) {
        EXPECT_FALSE(read_command("RollbackOrder", wrong, {})) << wrong;
    }
}

TEST(Participant, ReadsOfAPurchaseWhatItNeeds) {
    const auto order = order::read_create_order(envelope);
    ASSERT_TRUE(order);
    EXPECT_EQ(order->amount, (Money{500, euro}));
    EXPECT_EQ(order->products,
              (std::vector<order::Product>{{{ProductId{7}, 2, 0}, 0, "", "", ""}}));
    const auto demand = payment::read_create_payment(envelope);
    ASSERT_TRUE(demand);
    EXPECT_EQ(demand->id, PaymentId{42});
    EXPECT_EQ(demand->customer, CustomerId{3});
    EXPECT_EQ(demand->amount, (Money{500, euro}));
    EXPECT_EQ(
        order::read_purchase_result(R"({"version":1,"purchase_id":42,"success":null})")->success,
        std::nullopt);
}

TEST(CreateOrder, RefusesImpossibleItems) {
    const order::CreateOrder good{
        OrderId{42}, CustomerId{3}, {500, euro}, {{{ProductId{7}, 2, 250}, 1, "", "", ""}}};
    EXPECT_EQ(order::create(good)->lines, (std::vector{order::Line{ProductId{7}, 2, 250}}));
    for (const auto& line :
         {order::Line{ProductId{7}, 0, 1}, order::Line{ProductId{7}, order::max_quantity + 1, 1},
          order::Line{ProductId{7}, 1, -1}}) {
        auto bad = good;
        bad.products[0].line = line;
        EXPECT_FALSE(order::create(bad));
    }
    auto negative = good;
    negative.amount.minor = -1;
    EXPECT_FALSE(order::create(negative));
}

class SagaPayment : public testing::Test {
protected:
    payment::Payment asked =
        payment::ask({PaymentId{42}, CustomerId{3}, {500, euro}}, Money{500, euro}, "stripe");
    const payment::Verdict taken = payment::Taken{"pi_1"};
    const payment::Verdict declined = payment::Declined{"no funds"};
};

TEST_F(SagaPayment, WaitsForItsProviderUnlessItIsOverTheLimit) {
    EXPECT_EQ(asked.status, payment::Status::pending);
    EXPECT_FALSE(answer_to_create(asked));
    const auto over =
        payment::ask({PaymentId{42}, CustomerId{3}, {501, euro}}, Money{500, euro}, "stripe");
    EXPECT_EQ(over.status, payment::Status::declined);
    EXPECT_FALSE(answer_to_create(over).value());
}

TEST_F(SagaPayment, HearsOneVerdictOnly) {
    const auto one = heard(asked, taken);
    EXPECT_EQ(one.status, payment::Status::taken);
    EXPECT_EQ(one.reference, "pi_1");
    EXPECT_TRUE(answer_to_create(one).value());
    EXPECT_EQ(heard(one, taken), one);
    EXPECT_EQ(heard(one, declined), one);
    const auto other = heard(asked, declined);
    EXPECT_EQ(answer_to_create(other)->error().detail, "no funds");
    EXPECT_EQ(heard(other, declined), other);
}

TEST_F(SagaPayment, GivesBackWhatWasTakenAfterItWasDeclined) {
    const auto late = heard(heard(asked, declined), taken);
    EXPECT_EQ(late.status, payment::Status::refunding);
    EXPECT_EQ(answer_to_create(late)->error().detail, "no funds");
    const auto back = given_back(late);
    EXPECT_EQ(back.status, payment::Status::refunded);
    EXPECT_FALSE(answer_to_rollback(back));  // nobody has asked
    EXPECT_TRUE(answer_to_rollback(roll_back(back)).value());
}

TEST_F(SagaPayment, LearnsWhetherItWasTakenBeforeItGivesBack) {
    const auto open = roll_back(asked);
    EXPECT_EQ(open.status, payment::Status::refunding);
    EXPECT_FALSE(answer_to_rollback(open));
    EXPECT_EQ(given_back(open), open);
    EXPECT_EQ(heard(open, declined).status, payment::Status::declined);
    EXPECT_TRUE(answer_to_rollback(heard(open, declined)).value());
    const auto owed = heard(open, taken);
    EXPECT_EQ(owed.status, payment::Status::refunding);
    EXPECT_TRUE(answer_to_create(owed).value());
    EXPECT_EQ(given_back(owed).status, payment::Status::refunded);
}

TEST_F(SagaPayment, IsRefusedForGoodByATombstone) {
    const auto none = payment::tombstone(PaymentId{42});
    EXPECT_FALSE(answer_to_create(none).value());
    EXPECT_TRUE(answer_to_rollback(none).value());
    EXPECT_EQ(heard(none, taken), none);
    EXPECT_EQ(roll_back(none), none);
}

TEST(StripeSignature, IsTheOneThatStripeMakes) {
    // Source: HMAC-SHA256("whsec_test", "1492774577.{}") by openssl dgst.
    const http::payment::SystemTime then{std::chrono::seconds{1'492'774'577}};
    const auto signature = http::payment::sign("{}", "whsec_test", then);
    EXPECT_EQ(signature,
              "t=1492774577,v1=0d0602f6611bd2252dd4b74b58a4528355a7380639a15e6cc21e3059d56d5b8b");
    EXPECT_TRUE(http::payment::verify(signature, "{}", "whsec_test", then));
    EXPECT_TRUE(http::payment::verify("t=1492774577,v1=00," + signature.substr(13), "{}",
                                      "whsec_test", then + std::chrono::seconds{300}));
    EXPECT_FALSE(http::payment::verify(signature, "{} ", "whsec_test", then));
    EXPECT_FALSE(
        http::payment::verify(signature, "{}", "whsec_test", then + std::chrono::seconds{301}));
    EXPECT_FALSE(http::payment::verify("", "{}", "whsec_test", then));
    EXPECT_FALSE(http::payment::verify("t=1492774577,v0=00", "{}", "whsec_test", then));
}

}  // namespace
}  // namespace domain

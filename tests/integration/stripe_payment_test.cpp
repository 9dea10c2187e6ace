// Row 31 of the fault table: a provider that times out and has taken the money all the same, that
// tells things twice, and late. Each payment ends in one state, and is taken at most once.

#include "domain/payment/payment_service.hpp"
#include "domain/payment/teller.hpp"
#include "http/payment/payment_commands.hpp"
#include "http/payment/stripe.hpp"
#include "http/payment/stripe_webhook.hpp"
#include "integration/participant_fixture.hpp"
#include "integration/stripe_double.hpp"

namespace integration {
namespace {

using namespace std::chrono_literals;

constexpr auto secret = "whsec_1";

class StripePayment : public ParticipantTest {
protected:
    StripePayment() : ParticipantTest{"payment"} {
        http::payment::add_webhook(dispatcher, pool_, cache_, secret);
        start([this](outbox::Consumer& consumer) {
            http::payment::subscribe_to_saga(consumer, stripe, cache_);
        });
    }
    // Calls for what is due until nothing waits any more.
    void settle() {
        support::eventually(30s, "every payment to be settled", [&] {
            while (teller.work()) {
            }
            return query<int>("select count(*) from payments where due_at is not null") == 0;
        });
    }
    int webhook(const std::string& type, std::int64_t purchase, const json& more = json::object()) {
        json object{{"id", "pi_1"}, {"metadata", {{"purchase_id", std::to_string(purchase)}}}};
        object.update(more);
        const auto body = json{{"type", type}, {"data", {{"object", object}}}}.dump();
        return post(body, http::payment::sign(body, secret, std::chrono::system_clock::now()));
    }
    int post(const std::string& body, const std::string& signature) {
        http::Headers headers{{"Content-Type", "application/json; charset=utf-8"},
                              {"Stripe-Signature", signature}};
        return dispatcher
            .dispatch({"POST", "/api/v1/payments/webhook", headers, "there"},
                      [&](std::string& read) -> tl::expected<void, http::Problem> {
                          read = body;
                          return {};
                      })
            .status;
    }

    StripeDouble stripe_double;
    http::payment::Stripe stripe{
        {.url = stripe_double.url(), .key = "sk_test_1", .timeout = 2000ms}};
    domain::payment::Teller teller{pool_, stripe, {.lease = 20'000ms, .first_backoff = 10ms}};
    http::Metrics metrics{"payment"};
    http::Log log{"off"};
    http::Dispatcher dispatcher{"payment", metrics, log};
};

TEST_F(StripePayment, AnswersWhenTheProviderHasDecided) {
    send({command("CreatePayment", 1, purchase(500)), command("CreatePayment", 1, purchase(500))});
    EXPECT_EQ(answers(), Answers{});
    EXPECT_EQ(status(1), "PENDING");
    EXPECT_EQ(stripe_double.charges(1), 0);
    settle();
    EXPECT_EQ(status(1), "TAKEN");
    EXPECT_EQ(stripe_double.held(1), 500);
    send({command("CreatePayment", 1), command("RollbackPayment", 1)});
    settle();
    send({command("RollbackPayment", 1)});
    EXPECT_EQ(answers(), (Answers{"CreatePayment 1 yes", "CreatePayment 1 yes",
                                  "RollbackPayment 1 yes", "RollbackPayment 1 yes"}));
    EXPECT_EQ(replies().front().purchase_content, purchase(500));
    EXPECT_EQ(status(1), "REFUNDED");
    EXPECT_EQ(stripe_double.held(1), 0);
}

TEST_F(StripePayment, IsTakenOnceThoughEachStepTimesOutAfterItWasDone) {
    std::int64_t id = 0;
    for (const auto* step : {"/payment_intents", "/confirm", "/capture"}) {
        send({command("CreatePayment", ++id, purchase(500))});
        stripe_double.hang_after(step);
        ASSERT_TRUE(teller.work());
        EXPECT_EQ(stripe_double.hung(), id) << step;
        EXPECT_EQ(status(id), "PENDING") << step;
        settle();
        EXPECT_EQ(status(id), "TAKEN") << step;
        EXPECT_EQ(stripe_double.charges(id), 1)
            << "charged " << stripe_double.charges(id) << " times after a time-out of " << step;
    }
    stripe_double.hang_after("/refunds");
    send({command("RollbackPayment", 1)});
    ASSERT_TRUE(teller.work());
    EXPECT_EQ(status(1), "REFUNDING");
    settle();
    EXPECT_EQ(status(1), "REFUNDED");
    EXPECT_EQ(stripe_double.held(1), 0);
}

TEST_F(StripePayment, EndsOnceThoughWebhooksComeTwiceAndLate) {
    send({command("CreatePayment", 1, purchase(500))});
    stripe_double.hang_after("/capture");
    ASSERT_TRUE(teller.work());
    EXPECT_EQ(stripe_double.hung(), 1);
    for (int i = 0; i < 3; ++i) EXPECT_EQ(webhook("payment_intent.succeeded", 1), 200);
    EXPECT_EQ(status(1), "TAKEN");
    EXPECT_FALSE(teller.work());
    EXPECT_EQ(webhook("payment_intent.payment_failed", 1), 200);
    EXPECT_EQ(status(1), "TAKEN");
    EXPECT_EQ(answers(), (Answers{"CreatePayment 1 yes"}));

    send({command("RollbackPayment", 1)});
    settle();
    for (int i = 0; i < 2; ++i) EXPECT_EQ(webhook("charge.refunded", 1, {{"refunded", true}}), 200);
    EXPECT_EQ(webhook("payment_intent.succeeded", 1), 200);
    EXPECT_EQ(status(1), "REFUNDED");
    EXPECT_EQ(answers(), (Answers{"CreatePayment 1 yes", "RollbackPayment 1 yes"}));
    EXPECT_EQ(stripe_double.charges(1), 1);
}

TEST_F(StripePayment, IsGivenBackWhenItIsRolledBackBeforeTheProviderAnswers) {
    send({command("CreatePayment", 1, purchase(500)), command("RollbackPayment", 1)});
    EXPECT_EQ(answers(), Answers{});
    settle();
    EXPECT_EQ(status(1), "REFUNDED");
    EXPECT_EQ(answers(), (Answers{"CreatePayment 1 yes", "RollbackPayment 1 yes"}));
    EXPECT_EQ(stripe_double.charges(1), 1);
    EXPECT_EQ(stripe_double.held(1), 0);
}

TEST_F(StripePayment, IsCalledForAgainUnderItsKeyWhenATellerDiedBeforeItRecordedTheAnswer) {
    send({command("CreatePayment", 1, purchase(500))});
    // What a teller does before it dies: the provider takes, and nobody hears of it.
    const auto claimed = domain::payment::find(pool_, domain::PaymentId{1}).value();
    stripe.take(claimed);
    EXPECT_EQ(stripe_double.charges(1), 1);
    settle();
    EXPECT_EQ(status(1), "TAKEN");
    EXPECT_EQ(stripe_double.charges(1), 1);
}

TEST_F(StripePayment, TrustsNoWebhookWithoutAFreshSignatureOfItsBody) {
    send({command("CreatePayment", 1, purchase(500))});
    const auto body = R"({"type":"payment_intent.succeeded","data":{"object":)"
                      R"({"id":"pi_1","metadata":{"purchase_id":"1"}}}})";
    const auto now = std::chrono::system_clock::now();
    EXPECT_EQ(post(body, ""), 400);
    EXPECT_EQ(post(body, http::payment::sign(body, "whsec_2", now)), 400);
    EXPECT_EQ(post(body, http::payment::sign("{}", secret, now)), 400);
    EXPECT_EQ(post(body, http::payment::sign(body, secret, now - 6min)), 400);
    EXPECT_EQ(post("{}", http::payment::sign("{}", secret, now)), 400);
    EXPECT_EQ(status(1), "PENDING");
    EXPECT_EQ(post(body, http::payment::sign(body, secret, now - 4min)), 200);
    EXPECT_EQ(status(1), "TAKEN");
}

}  // namespace
}  // namespace integration

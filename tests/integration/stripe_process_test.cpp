// `shop serve payment` with Stripe: configured by files, killed between answer and record, told by
// webhook over HTTP.

#include <gtest/gtest.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <pqxx/pqxx>

#include "http/payment/stripe_webhook.hpp"
#include "integration/raw_http.hpp"
#include "integration/shop_process.hpp"
#include "integration/stripe_double.hpp"
#include "outbox/event.hpp"
#include "support/kafka.hpp"
#include "support/wait.hpp"

namespace integration {
namespace {

using namespace std::chrono_literals;

class StripeProcess : public testing::Test {
protected:
    StripeProcess() {
        std::ofstream{secret_file} << "sk_test_canary\n";
        for (const auto* type : {"create-payment", "rollback-payment"})
            support::create_topic(databases.topic_prefix + type, 1);
    }
    ~StripeProcess() override { std::filesystem::remove(secret_file); }

    std::map<std::string, std::string> environment(const std::string& crash_at = {}) {
        return {{"SHOP_STRIPE_URL", stripe.url()},
                {"SHOP_STRIPE_KEY_FILE", secret_file},
                {"SHOP_STRIPE_WEBHOOK_SECRET_FILE", secret_file},
                {"POSTROOM_CRASH_AT", crash_at}};
    }
    void ask() {
        support::produce(
            databases.topic_prefix + "create-payment",
            {{.key = "1",
              .value = R"({"version":1,"purchase_id":1,"purchase":{"order":{"customer_id":3,)"
                       R"("order_items":[]},"payment":{"currency_code":"EUR","amount":500}}})",
              .headers = {{"id", outbox::EventId::make().to_string()},
                          {"type", "CreatePayment"}}}});
    }
    std::string status() {
        return pqxx::nontransaction{super}.query_value<std::string>(
            "select coalesce(max(status), '') from payments");
    }

    StripeDouble stripe;
    support::ShopDatabases databases{{"payment"}};
    pqxx::connection super{databases.of("payment").dsn()};
    std::string secret_file =
        std::filesystem::temp_directory_path() / support::unique_name("stripe");
};

TEST_F(StripeProcess, TakesOnceThoughItIsKilledBeforeTheAnswerIsRecorded) {
    {
        support::ShopProcess shop{databases, {"payment"}, environment("after_take")};
        ask();
        const auto ended = shop.process().wait(60s);
        EXPECT_TRUE(WIFSIGNALED(ended) && WTERMSIG(ended) == SIGKILL);
    }
    EXPECT_EQ(stripe.charges(1), 1);
    EXPECT_EQ(status(), "PENDING");
    // Instead of waiting until the dead teller's lease has run out.
    pqxx::nontransaction{super}.exec("update payments set due_at = clock_timestamp()");
    support::ShopProcess shop{databases, {"payment"}, environment()};
    support::eventually(30s, "the payment to be taken", [&] { return status() == "TAKEN"; });
    EXPECT_EQ(stripe.charges(1), 1);
    EXPECT_EQ(pqxx::nontransaction{super}.query_value<int>("select count(*) from outbox.event"), 1);
    EXPECT_EQ(shop.process().output().find("sk_test_canary"), std::string::npos);
}

TEST_F(StripeProcess, HearsSignedWebhooksOnly) {
    const support::ShopProcess shop{databases, {"payment"}, environment()};
    const std::string body =
        R"({ "type": "payment_intent.succeeded", "data": {"object": {"id": "pi_1"}} })";
    const auto post = [&](const std::string& secret) {
        return support::request(
                   shop.address("payment"), "POST", "/api/v1/payments/webhook", body,
                   {{"Content-Type", "application/json"},
                    {"Stripe-Signature",
                     http::payment::sign(body, secret, std::chrono::system_clock::now())}})
            .status;
    };
    EXPECT_EQ(post("guessed"), 400);
    EXPECT_EQ(post("sk_test_canary"), 200);
}

}  // namespace
}  // namespace integration

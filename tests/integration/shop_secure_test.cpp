// A service whose Kafka speaks SASL_SSL alone, and whose PostgreSQL TLS alone: what it says when a
// secret is wrong, that it works with the right ones, and that it tells none of them.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <filesystem>
#include <format>
#include <fstream>
#include <pqxx/pqxx>

#include "integration/raw_http.hpp"
#include "integration/shop_process.hpp"
#include "support/broker.hpp"
#include "support/certificates.hpp"
#include "support/kafka.hpp"
#include "support/postgres_server.hpp"
#include "support/wait.hpp"

namespace {

using namespace std::chrono_literals;
using support::Process;
using testing::HasSubstr;
using testing::Not;

constexpr auto secret = "canary-6b1f0e";

class SecureShop : public testing::Test {
protected:
    SecureShop() {
        pqxx::nontransaction{owner_}.exec(
            std::format("create role careful login password '{}' in role shop_payment", secret));
    }

    std::string dsn(const std::filesystem::path& authority, const std::string& host = "localhost",
                    const std::string& password = secret) const {
        return std::format(
            "{} host={} hostaddr=127.0.0.1 sslmode=verify-full sslrootcert={} user=careful "
            "password={}",
            database_.dsn(), host, authority.string(), password);
    }

    std::string properties(const std::filesystem::path& authority,
                           const std::string& password = secret) const {
        const auto file = dir_ / support::unique_name("kafka.properties");
        std::ofstream{file} << std::format(
            "# as the relay has them\nsecurity.protocol = SASL_SSL\nssl.ca.location={}\n\n"
            "sasl.mechanism = SCRAM-SHA-512\nsasl.username = postroom\r\nsasl.password = {}\n"
            "broker.address.family = v4\n",
            authority.string(), password);
        return file;
    }

    std::map<std::string, std::string> environment(const std::string& dsn,
                                                   const std::string& kafka) const {
        const auto file = dir_ / support::unique_name("dsn");
        std::ofstream{file} << dsn << '\n';
        return {{"SHOP_PAYMENT_DSN_FILE", file},
                {"SHOP_PAYMENT_HTTP", "127.0.0.1:0"},
                {"SHOP_JWT_SECRET", "canary-secret-of-more-than-32-bytes"},
                {"SHOP_GRPC_WITHOUT_TOKEN", "true"},
                {"SHOP_KAFKA_BROKERS", brokers_.secure_address(1)},
                {"SHOP_KAFKA_PROPERTIES_FILE", kafka},
                {"SHOP_START_TIMEOUT_S", "1"}};
    }

    // Of one that does not start.
    std::string refusal(const std::string& dsn) const {
        Process shop{{.argv = {support::bin("shop"), "serve", "payment"},
                      .env = environment(dsn, properties(certificates_.authority()))}};
        const auto status = shop.wait(20s);
        EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 1) << shop.output();
        EXPECT_THAT(shop.output(), Not(HasSubstr("canary")));
        return shop.output();
    }

    // One that started, and says this of Kafka, and that it consumes nothing.
    void expect_trouble(const std::string& kafka, const std::string& cause) const {
        support::ShopProcess shop{{"payment"}, environment(dsn(certificates_.authority()), kafka)};
        EXPECT_TRUE(support::happens_within(30s, [&] {
            return shop.process().output().contains(cause);
        })) << shop.process().output();
        EXPECT_THAT(support::request(shop.address("payment"), "GET", "/readyz").body,
                    HasSubstr("the consumer is not in its group"));
        EXPECT_THAT(shop.process().output(), Not(HasSubstr("canary")));
    }

    std::filesystem::path tls_only() const {
        const auto file = dir_ / "pg_hba.conf";
        std::ofstream{file} << "hostssl all all 127.0.0.1/32 scram-sha-256\n";
        return file;
    }

    support::Certificates certificates_;
    const std::filesystem::path dir_ = certificates_.key().parent_path();  // goes with them
    support::Brokers brokers_{
        1, {}, support::Brokers::Secured{certificates_.both(), "postroom", secret}};
    support::PostgresServer server_{{{"ssl", "on"},
                                     {"ssl_cert_file", certificates_.certificate()},
                                     {"ssl_key_file", certificates_.key()},
                                     {"hba_file", tls_only()}}};
    support::Database database_{{"outbox", "payment"}, server_.conninfo()};
    pqxx::connection owner_{database_.dsn()};
};

TEST_F(SecureShop, SaysWhichSecretIsWrongAndConsumesWithTheRightOnes) {
    EXPECT_THAT(refusal(dsn(certificates_.stranger())), HasSubstr("certificate verify failed"));
    EXPECT_THAT(refusal(dsn(certificates_.authority(), "127.0.0.1")),
                HasSubstr("does not match host name"));
    EXPECT_THAT(refusal(dsn(certificates_.authority(), "localhost", "canary-of-another")),
                HasSubstr("password authentication failed"));
    expect_trouble(properties(certificates_.stranger()), "certificate verify failed");
    expect_trouble(properties(certificates_.authority(), "canary-of-another"),
                   "SASL authentication error");

    const std::string topic = "outbox.event.create-payment";
    support::create_topic(topic, 1, {}, brokers_.bootstrap());
    support::create_topic("outbox.event.rollback-payment", 1, {}, brokers_.bootstrap());
    support::produce(
        topic,
        {{.key = "1",
          .value = "{}",
          .headers = {{"id", "01931f0e-7a9b-7c3d-8e4f-0123456789ab"}, {"type", "OfNobody"}}}},
        brokers_.bootstrap());
    support::ShopProcess shop{
        {"payment"},
        environment(dsn(certificates_.authority()), properties(certificates_.authority()))};
    EXPECT_TRUE(support::happens_within(30s, [&] {
        return support::request(shop.address("payment"), "GET", "/metrics")
            .body.contains(R"(consumer_events_total{outcome="ignored"} 1)");
    })) << shop.process().output();
    EXPECT_EQ(support::request(shop.address("payment"), "GET", "/readyz").status, 200);
    shop.process().signal(SIGTERM);
    EXPECT_EQ(shop.process().wait(20s), 0) << shop.process().output();
    EXPECT_THAT(shop.process().output(), Not(HasSubstr("canary")));
}

TEST_F(SecureShop, RefusesPropertiesThatCannotBeWithoutQuotingThem) {
    const auto told = [&](const std::string& text) {
        const auto file = dir_ / support::unique_name("kafka.properties");
        std::ofstream{file} << text;
        Process shop{{.argv = {support::bin("shop"), "serve", "payment"},
                      .env = environment(dsn(certificates_.authority()), file)}};
        const auto status = shop.wait(20s);
        EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) != 0) << shop.output();
        EXPECT_THAT(shop.output(), Not(HasSubstr("canary")));
        return shop.output();
    };
    EXPECT_THAT(told("sasl.pasword = canary\n"), HasSubstr("did you mean sasl.password?"));
    EXPECT_THAT(told("\nsasl.password canary\n"), HasSubstr(":2: write NAME = VALUE"));
    EXPECT_THAT(told("sasl.password: canary==\n"), HasSubstr(":1: write NAME = VALUE"));
    EXPECT_THAT(told("# sasl.password=canary\n"), HasSubstr("has no property"));
    EXPECT_THAT(told("sasl.password=canary\nsasl.password=canary-2\n"), HasSubstr("there twice"));
    EXPECT_THAT(told("enable.auto.commit = true\n"), HasSubstr("the shop's own to set"));
    EXPECT_THAT(told("ssl.ca.location = /nowhere\nsecurity.protocol = SSL\n"),
                HasSubstr("ssl.ca.location failed"));
}

}  // namespace

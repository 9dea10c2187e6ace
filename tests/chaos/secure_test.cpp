// Kafka behind TLS and SASL, PostgreSQL behind TLS: what a wrong authority, host name or password
// says, that nothing is lost by it, and that no secret is ever told.
#include <gtest/gtest.h>

#include <csignal>
#include <format>
#include <fstream>
#include <pqxx/pqxx>

#include "chaos/effects.hpp"
#include "chaos/stage.hpp"
#include "chaos/writers.hpp"
#include "support/broker.hpp"
#include "support/certificates.hpp"
#include "support/postgres_server.hpp"
#include "support/wait.hpp"

namespace chaos {
namespace {

using namespace std::chrono_literals;
using Properties = std::map<std::string, std::string>;

const std::string canary = "canary-6b1f0e";

void append(const Stage& stage, Journal& journal, int events) {
    Transaction transaction{stage.writer_dsn(), journal};
    for (int event = 0; event < events; ++event) {
        transaction.begin();
        transaction.append(std::format("account-{}", event % 3 + 1));
        transaction.commit();
    }
}

void expect_told(support::Process& process, const std::string& cause) {
    EXPECT_TRUE(support::happens_within(30s, [&] { return process.output().contains(cause); }))
        << "it does not tell of: " << cause << '\n'
        << process.output();
    process.signal(SIGKILL);  // it waits for a broker's answer, which takes its time
    EXPECT_TRUE(was_killed(process));
    EXPECT_FALSE(process.output().contains("canary")) << process.output();
}

// Also to whoever asks the database: postroom explain.
void expect_trouble(const Stage& stage, const std::string& cause) {
    pqxx::connection connection{stage.database().dsn()};
    std::string trouble;
    EXPECT_TRUE(support::happens_within(30s, [&] {
        trouble = pqxx::nontransaction{connection}.query_value<std::string>(
            "select coalesce(max(trouble), '') from outbox.lease");
        return trouble.contains(cause);
    })) << trouble;
    EXPECT_FALSE(trouble.contains("canary")) << trouble;
}

void expect_all_published(const Stage& stage, const Journal& journal, support::Process& relay) {
    stage.await_drained();
    EXPECT_TRUE(stops_gracefully(relay)) << relay.output();
    EXPECT_FALSE(relay.output().contains("canary")) << relay.output();
    const Verdict verdict = stage.verdict(journal);
    EXPECT_TRUE(verdict.sound()) << verdict;
    EXPECT_EQ(verdict.repeated, 0U) << verdict;
}

class SecureKafka : public testing::Test {
protected:
    Properties properties(const std::filesystem::path& authority,
                          const std::string& password) const {
        return {{"security.protocol", "SASL_SSL"},   {"ssl.ca.location", authority},
                {"sasl.mechanism", "SCRAM-SHA-512"}, {"sasl.username", "postroom"},
                {"sasl.password", password},         {"broker.address.family", "v4"}};
    }
    support::Process relay(const Stage& stage, const Properties& kafka) const {
        return stage.relay({{"POSTROOM_KAFKA_BROKERS", brokers_.secure_address(1)},
                            {"POSTROOM_LOG_LEVEL", "debug"}},
                           kafka);
    }
    support::Process consumer(const Effects& effects, const Stage& stage,
                              const Properties& kafka) const {
        std::string lines;
        for (const auto& [name, value] : kafka) lines += std::format("{}={}\n", name, value);
        return effects.consumer(stage.topic(), "secure",
                                {.brokers = brokers_.secure_address(1),
                                 .environment = {{"POSTROOM_CONSUMER_PROPERTIES", lines}}});
    }

    support::Certificates certificates_;
    support::Brokers brokers_{
        1, {}, support::Brokers::Secured{certificates_.both(), "postroom", canary}};
};

TEST_F(SecureKafka, SaysWhichSecretIsWrongAndPublishesAllOnceItIsMended) {
    const Properties right = properties(certificates_.authority(), canary),
                     wrong_authority = properties(certificates_.stranger(), canary),
                     wrong_password = properties(certificates_.authority(), "canary-of-another");
    const Stage one{brokers_.bootstrap()}, other{brokers_.bootstrap()};
    const Effects effects{Stage::accounts};
    Journal journal, other_journal;
    append(one, journal, 30);
    append(other, other_journal, 30);
    {
        auto unsure = relay(one, wrong_authority);
        auto unknown = relay(other, wrong_password);
        auto deaf = consumer(effects, one, wrong_password);
        expect_told(deaf, "SASL authentication error");
        expect_trouble(one, "certificate verify failed");
        expect_trouble(other, "SASL authentication error");
        expect_told(unsure, "certificate verify failed");
        expect_told(unknown, "SASL authentication error");
    }
    auto relay_of_one = relay(one, right), relay_of_other = relay(other, right);
    expect_all_published(one, journal, relay_of_one);
    expect_all_published(other, other_journal, relay_of_other);
    auto reader = consumer(effects, one, right);
    support::happens_within(30s, [&] { return effects.applied() >= 30; });
    EXPECT_TRUE(stops_gracefully(reader)) << reader.output();
    EXPECT_FALSE(reader.output().contains("canary")) << reader.output();
    const EffectVerdict effect = effects.verdict(journal);
    EXPECT_TRUE(effect.exact()) << effect;
}

class SecurePostgres : public testing::Test {
protected:
    static constexpr auto login_sql =
        "create role careful login password 'canary-6b1f0e' in role postroom_relay";

    SecurePostgres() { pqxx::nontransaction{owner_}.exec(login_sql); }
    support::Process relay(const std::string& host, const std::filesystem::path& authority) const {
        return stage_.relay(
            {{"POSTROOM_DATABASE_DSN",
              std::format("{} host={} hostaddr=127.0.0.1 sslmode=verify-full sslrootcert={} "
                          "user=careful password={}",
                          stage_.database().dsn(), host, authority.string(), canary)},
             {"POSTROOM_LOG_LEVEL", "debug"}});
    }
    std::filesystem::path tls_only() const {
        const auto file = certificates_.key().parent_path() / "pg_hba.conf";
        std::ofstream{file} << "hostssl all all 127.0.0.1/32 scram-sha-256\n";
        return file;
    }

    support::Certificates certificates_;
    support::PostgresServer server_{{{"ssl", "on"},
                                     {"ssl_cert_file", certificates_.certificate()},
                                     {"ssl_key_file", certificates_.key()},
                                     {"hba_file", tls_only()}}};
    Stage stage_{support::kafka(), 1, {}, server_.conninfo()};
    pqxx::connection owner_{stage_.database().dsn()};
    Journal journal_;
};

TEST_F(SecurePostgres, IsRefusedUnderAnotherNameOrAuthorityAndReadUnderItsOwn) {
    EXPECT_THROW(pqxx::connection{stage_.database().dsn() + " sslmode=disable"},
                 pqxx::broken_connection);
    append(stage_, journal_, 30);
    auto unsure = relay("localhost", certificates_.stranger());
    expect_told(unsure, "certificate verify failed");
    auto elsewhere = relay("127.0.0.1", certificates_.authority());
    expect_told(elsewhere, "does not match host name");
    auto right = relay("localhost", certificates_.authority());
    expect_all_published(stage_, journal_, right);
}

}  // namespace
}  // namespace chaos

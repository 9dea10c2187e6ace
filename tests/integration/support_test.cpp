// The test support itself, where a fault of it would make other tests pass without testing.
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <chrono>
#include <csignal>
#include <pqxx/pqxx>
#include <string>
#include <thread>

#include "support/database.hpp"
#include "support/kafka.hpp"
#include "support/process.hpp"
#include "support/tcp_gate.hpp"
#include "support/wait.hpp"

namespace {

TEST(SupportDatabase, IsMigratedSeparateAndDropped) {
    std::string name;
    {
        support::Database first;
        support::Database second;
        name = first.name();
        pqxx::connection as_service{first.dsn("postroom_service")};
        pqxx::work tx{as_service};
        tx.exec("select outbox.append('order', '1', 'OrderPlaced')");
        tx.commit();
        pqxx::connection other{second.dsn()};
        EXPECT_EQ(pqxx::work{other}.query_value<int>("select count(*) from outbox.pending"), 0);
    }
    pqxx::connection server{support::postgres() + " dbname=postgres"};
    EXPECT_EQ(pqxx::work{server}.query_value<int>(
                  "select count(*) from pg_database where datname = $1", pqxx::params{name}),
              0);
}

TEST(SupportKafka, ReadsBackWhatWasProduced) {
    const std::string topic = support::unique_name("support");
    support::create_topic(topic, 2);
    support::produce(topic, {{.key = "a", .value = "1", .headers = {{"id", "x"}}}, {.key = "a"}});
    const auto records = support::read_topic(topic);
    ASSERT_EQ(records.size(), 2U);
    EXPECT_EQ(records[0].value, "1");
    EXPECT_EQ(records[0].headers.at("id"), "x");
    EXPECT_EQ(records[1].key, "a");
    EXPECT_EQ(records[1].value, std::nullopt);
}

TEST(SupportTcpGate, DelaysHoldsAndResets) {
    using namespace std::chrono_literals;
    const support::Database database;
    const pqxx::connection direct{database.dsn()};
    support::TcpGate gate{std::stoi(direct.port())};
    pqxx::connection client{database.dsn() + " port=" + std::to_string(gate.port())};
    pqxx::nontransaction session{client};
    EXPECT_EQ(session.query_value<int>("select 1"), 1);

    gate.shape({.latency = 50ms});
    const auto asked = std::chrono::steady_clock::now();
    EXPECT_EQ(session.query_value<int>("select 2"), 2);
    EXPECT_GE(std::chrono::steady_clock::now() - asked, 100ms);

    gate.shape({.bytes_per_second = 65'536});
    const auto begun = std::chrono::steady_clock::now();
    EXPECT_EQ(session.query_value<std::string>("select repeat('x', 50000)").size(), 50'000U);
    EXPECT_GE(std::chrono::steady_clock::now() - begun, 500ms);

    gate.open();
    gate.hold(support::TcpGate::Direction::answers);
    std::jthread asking{[&] { EXPECT_THROW(session.exec("select 3"), pqxx::broken_connection); }};
    support::eventually(10s, "the answer", [&] { return gate.held() > 0; });
    EXPECT_EQ(gate.reset(), 1);
    asking.join();
    EXPECT_EQ(gate.held(), 0U);
}

TEST(SupportProcess, KeepsOutputAndStatus) {
    support::Process process{{.argv = {"/bin/sh", "-c", "echo $GREETING; exec sleep 60"},
                              .env = {{"GREETING", "hello"}}}};
    support::eventually(std::chrono::seconds{5}, "the greeting",
                        [&] { return process.output() == "hello\n"; });
    EXPECT_TRUE(process.running());
    EXPECT_THROW(process.wait(std::chrono::seconds{0}), std::runtime_error);
    process.signal(SIGTERM);
    const int status = process.wait(std::chrono::seconds{5});
    EXPECT_TRUE(WIFSIGNALED(status));
    EXPECT_EQ(WTERMSIG(status), SIGTERM);
}

}  // namespace

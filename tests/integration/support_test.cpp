// The test support itself, where a fault of it would make other tests pass without testing.
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <csignal>
#include <pqxx/pqxx>

#include "support/database.hpp"
#include "support/kafka.hpp"
#include "support/process.hpp"
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

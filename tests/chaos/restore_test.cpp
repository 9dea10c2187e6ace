// Fault 15: the database is restored, from a dump on another server, or from a copy of its volume.
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <pqxx/pqxx>

#include "chaos/rebase_report.hpp"
#include "chaos/stage.hpp"
#include "chaos/writers.hpp"
#include "support/postgres_server.hpp"

namespace chaos {
namespace {

void copy_by_dump(const std::string& from, const std::string& to) {
    support::Process copy{{.argv = {"/bin/bash", "-c",
                                    "set -o pipefail; pg_dump --dbname \"$FROM\" |"
                                    " psql --quiet --set ON_ERROR_STOP=1 --dbname \"$TO\""},
                           .env = {{"FROM", from}, {"TO", to}}}};
    ASSERT_EQ(copy.wait(std::chrono::seconds{60}), 0) << copy.output();
}

void append(const Stage& stage, Journal& journal, const std::string& key, int times) {
    Transaction one{stage.writer_dsn(), journal};
    for (int i = 0; i < times; ++i) {
        one.begin();
        one.append(key);
        one.commit();
    }
}

// The other server's transaction ids are lower: judged by the old snapshot, what is committed there
// would count as published.
TEST(RestoredDump, IsRefusedUntilItIsToldWhatToRepeat) {
    const Stage stage;
    Journal journal;
    auto before = stage.relay();
    Writers writers{stage.database(), {.seed = seed()}, journal};
    stage.await_published(300);
    writers.stop();
    stage.await_drained();
    ASSERT_TRUE(stops_gracefully(before)) << before.output();
    const std::map<std::string, std::string> once{{"POSTROOM_RELAY_STOP_WHEN_DRAINED", "true"}};
    append(stage, journal, "account-2", 3);

    const support::PostgresServer elsewhere;
    const support::Database makes_the_roles{{"outbox"}, elsewhere.conninfo()};
    const support::Database restored{{}, elsewhere.conninfo()};
    copy_by_dump(stage.database().dsn(), restored.dsn());
    append(stage, journal, "account-3", 7);
    auto last = stage.relay(once);
    ASSERT_EQ(last.wait(std::chrono::seconds{30}), 0) << last.output();
    const auto published = stage.log().size();
    Transaction one{restored.dsn("postroom_service"), journal};
    one.begin();
    one.append("account-1");
    one.commit();

    const std::map<std::string, std::string> there{
        {"POSTROOM_DATABASE_DSN", restored.dsn("postroom_relay")},
        {"POSTROOM_RELAY_STOP_WHEN_DRAINED", "true"}};
    auto refused = stage.relay(there);
    EXPECT_EQ(WEXITSTATUS(refused.wait(std::chrono::seconds{30})), 1)
        << "a restored database passes for the one that it was copied from";
    EXPECT_TRUE(refused.output().contains("select outbox.rebase(0, SNAPSHOT)")) << refused.output();
    EXPECT_EQ(stage.log().size(), published);
    const auto report = report_rebase(stage, restored.dsn("postroom_operator"), "all");
    const auto here = ids_here(restored.dsn()), log = ids_in_log(stage);
    EXPECT_EQ(report["missing"], minus(log, here));
    EXPECT_EQ(report["missing"].size(), 7U);
    EXPECT_EQ(report["repeated"], minus(here, minus(here, log)));

    pqxx::connection owner{restored.dsn()};
    pqxx::nontransaction{owner}.exec("select outbox.rebase(0, '1:1:')");
    auto after = stage.relay(there);
    EXPECT_EQ(after.wait(std::chrono::seconds{30}), 0) << after.output();
    const Verdict verdict = stage.verdict(journal);
    EXPECT_TRUE(verdict.sound()) << verdict;
    EXPECT_EQ(verdict.repeated, published - 7);  // all of the history, as it was told
    EXPECT_EQ(ids_in_log(stage, 2), report["repeated"]);
}

// Neither system nor timeline tells that a volume was restored; but the position in Kafka is of a
// future in which the transaction ids that are given now stood for others.
TEST(RestoredVolume, IsRefusedWhereKafkaKnowsAFutureOfItUntilItIsToldWhatToRepeat) {
    support::PostgresServer server;
    const Stage stage{support::kafka(), 1, {}, server.conninfo()};
    Journal journal;
    const std::map<std::string, std::string> once{{"POSTROOM_RELAY_DELIVERY", "exactly_once"},
                                                  {"POSTROOM_RELAY_STOP_WHEN_DRAINED", "true"}};
    const auto publish = [&](const std::string& key, int events) {
        append(stage, journal, key, events);
        auto relay = stage.relay(once);
        ASSERT_EQ(relay.wait(std::chrono::seconds{30}), 0) << relay.output();
    };
    publish("account-1", 1);
    server.stop_immediately();
    server.keep();
    server.start();
    publish("account-2", 100);
    server.stop_immediately();
    server.go_back();
    server.start();

    append(stage, journal, "account-3", 5);
    auto refused = stage.relay(once);
    EXPECT_EQ(WEXITSTATUS(refused.wait(std::chrono::seconds{30})), 1)
        << "a restored volume passes for what it was, lost=" << stage.verdict(journal).lost;
    EXPECT_TRUE(refused.output().contains("postroom rebase --shard 0 --from recorded"))
        << refused.output();
    {
        pqxx::connection owner{stage.database().dsn()};
        pqxx::nontransaction{owner}.exec(
            "select outbox.rebase(0, lower) from outbox.current_position where shard = 0");
    }
    publish("account-3", 5);
    const Verdict verdict = stage.verdict(journal);
    EXPECT_TRUE(verdict.sound()) << verdict;
    EXPECT_EQ(verdict.repeated, 0U) << verdict;
}

}  // namespace
}  // namespace chaos

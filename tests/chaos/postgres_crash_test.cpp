// Fault 12: PostgreSQL stops at once, over and over, under load.
#include <gtest/gtest.h>

#include <algorithm>
#include <pqxx/pqxx>
#include <set>

#include "chaos/stage.hpp"
#include "chaos/writers.hpp"
#include "faults.hpp"
#include "support/postgres_server.hpp"

namespace chaos {
namespace {

using Settings = std::map<std::string, std::string>;

class PostgresCrash : public testing::Test {
protected:
    static constexpr int stops = 4;

    // writers_commit: their synchronous_commit; the relay sets its own.
    explicit PostgresCrash(const std::string& writers_commit)
        : server_{{{"synchronous_commit", writers_commit},
                   // Nobody else flushes for those who do not wait for it.
                   {"wal_writer_delay", "10s"}}} {}

    void crash_over_and_over(const Settings& relay_settings = {}) {
        auto relay = stage_.relay(relay_settings);
        Writers writers{stage_.database(), {.seed = seed(), .reconnects = true}, journal_};
        for (int stop = 0; stop < stops; ++stop) {
            stage_.await_published(stage_.published() + 300);
            server_.stop_immediately();
            server_.start();
        }
        stage_.await_published(stage_.published() + 100);
        writers.stop();
        stage_.await_drained();
        EXPECT_TRUE(stops_gracefully(relay)) << relay.output();
    }
    std::set<std::string> remembered() const {
        std::set<std::string> ids;
        pqxx::connection connection{stage_.database().dsn()};
        for (const auto& [id] : pqxx::nontransaction{connection}.query<std::string>(
                 "select id::text from outbox.event"))
            ids.insert(id);
        return ids;
    }

    support::PostgresServer server_;
    Stage stage_{support::kafka(), 1, {}, server_.conninfo()};
    Journal journal_;
};

class DurableCommits : public PostgresCrash {
protected:
    DurableCommits() : PostgresCrash{faults::mutant("async_commit") ? "off" : "on"} {}
};

TEST_F(DurableCommits, SurviveImmediateStopsOfPostgreSQL) {
    crash_over_and_over();
    const Verdict verdict = stage_.verdict(journal_);
    EXPECT_GT(verdict.committed, 1000U);
    EXPECT_TRUE(verdict.sound()) << verdict;
}

// What the database then lacks of the position is in Kafka, and no future of another.
TEST_F(DurableCommits, InKafkaTransactionsSurviveTheSameAndRepeatNothing) {
    crash_over_and_over({{"POSTROOM_RELAY_DELIVERY", "exactly_once"}});
    const Verdict verdict = stage_.verdict(journal_);
    EXPECT_TRUE(verdict.sound()) << verdict;
    EXPECT_EQ(verdict.repeated, 0U) << verdict;
}

// Writers that do not wait for the flush see their commits lost, which is their choice; but a
// change that never happened must not have been announced.
class RiskedCommits : public PostgresCrash {
protected:
    RiskedCommits() : PostgresCrash{"off"} {}
};

TEST_F(RiskedCommits, AreNotPublishedBeforePostgreSQLCanNotLoseThem) {
    crash_over_and_over();
    const auto ids = remembered();
    const auto forgotten = [&ids](const std::string& id) { return !ids.contains(id); };
    const auto entries = journal_.entries();
    EXPECT_GT(std::ranges::count_if(entries,
                                    [&](const auto& entry) {
                                        return entry.second.outcome == Outcome::committed &&
                                               forgotten(entry.first);
                                    }),
              0)
        << "PostgreSQL has lost nothing";  // F
    const auto phantoms = std::ranges::count_if(stage_.log(), [&](const support::Record& record) {
        return forgotten(record.headers.at("id"));
    });
    EXPECT_EQ(phantoms, 0) << "published what PostgreSQL then lost";
}

}  // namespace
}  // namespace chaos

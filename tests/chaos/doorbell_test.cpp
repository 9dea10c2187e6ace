// Fault 16: notifications that never come. They are only a hint.
#include <gtest/gtest.h>

#include <pqxx/pqxx>

#include "chaos/stage.hpp"
#include "chaos/writers.hpp"
#include "faults.hpp"
#include "support/postgres_server.hpp"
#include "support/wait.hpp"

namespace chaos {
namespace {

constexpr auto blind_ring_sql = R"sql(
    create or replace function outbox.ring() returns trigger language plpgsql as $$
    begin
        perform pg_notify('outbox', '');
        return null;
    end $$
)sql";

// A relay that has gone to sleep, and events one by one.
class Doorbell : public testing::Test {
protected:
    static constexpr std::chrono::milliseconds asleep{300};
    static constexpr std::chrono::seconds fallback{3};  // a poll each second, and a slow machine

    void commit_one(const Stage& stage) {
        Transaction one{stage.writer_dsn(), journal_};
        one.begin();
        one.append("account-1");
        one.commit();
    }
    void expect_published_without_ringing(const Stage& stage) {
        auto relay = stage.relay({{"POSTROOM_RELAY_IDLE_MS", "0"}});
        for (int event = 1; event <= 4; ++event) {
            ASSERT_FALSE(support::happens_within(asleep, [&] { return !relay.running(); }));
            ASSERT_NO_THROW(commit_one(stage)) << "a notification fails a writer";
            ASSERT_TRUE(support::happens_within(fallback, [&] {
                return stage.published() >= event;
            })) << "an event that rang nobody is not published";
        }
        EXPECT_TRUE(stops_gracefully(relay)) << relay.output();
        const Verdict verdict = stage.verdict(journal_);
        EXPECT_TRUE(verdict.sound()) << verdict;
        EXPECT_EQ(verdict.repeated, 0U) << verdict;
    }

    Journal journal_;
};

TEST_F(Doorbell, AnEventThatRangNobodyIsPublishedAllTheSame) {
    const Stage stage;
    pqxx::connection owner{stage.database().dsn()};
    pqxx::nontransaction{owner}.exec("alter table outbox.event disable trigger ring");  // F
    expect_published_without_ringing(stage);
}

// One session that listens and stays in its transaction keeps every notification of the server.
TEST_F(Doorbell, AFullNotificationQueueHoldsUpNeitherWritersNorTheRelay) {
    const support::PostgresServer server{{{"max_notify_queue_pages", "64"}}};
    const Stage stage{support::kafka(), 1, {}, server.conninfo()};
    pqxx::connection owner{stage.database().dsn()};
    if (faults::mutant("blind_ring")) pqxx::nontransaction{owner}.exec(blind_ring_sql);
    pqxx::connection stuck{stage.database().dsn()};
    pqxx::nontransaction listening{stuck};
    listening.exec("listen elsewhere");
    listening.exec("begin");
    listening.exec("select 1");
    EXPECT_THROW(
        for (;;) {
            pqxx::nontransaction{owner}.exec("select pg_notify('elsewhere', repeat('x', 7000))");
        },
        pqxx::sql_error);  // F: no notification is taken any more
    expect_published_without_ringing(stage);
}

}  // namespace
}  // namespace chaos

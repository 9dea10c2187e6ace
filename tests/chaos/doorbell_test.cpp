// Fault 16: notifications that never come. They are only a hint.
#include <gtest/gtest.h>

#include <pqxx/pqxx>

#include "chaos/stage.hpp"
#include "chaos/writers.hpp"
#include "support/wait.hpp"

namespace chaos {
namespace {

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
            commit_one(stage);
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

}  // namespace
}  // namespace chaos

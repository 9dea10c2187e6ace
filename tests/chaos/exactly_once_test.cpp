// Delivery exactly_once: whatever happens to a relay, a read_committed consumer sees each event
// once.
#include <gtest/gtest.h>

#include <csignal>
#include <fstream>
#include <iterator>
#include <pqxx/pqxx>
#include <random>

#include "chaos/stage.hpp"
#include "chaos/writers.hpp"
#include "support/wait.hpp"

namespace chaos {
namespace {

using namespace std::chrono_literals;

bool is_frozen(const support::Process& process) {
    std::ifstream stat{"/proc/" + std::to_string(process.pid()) + "/stat"};
    const std::string text{std::istreambuf_iterator<char>{stat}, {}};
    return text.find(") T ") != std::string::npos;
}

class ExactlyOnce : public testing::Test {
protected:
    support::Process relay(std::map<std::string, std::string> environment = {}) {
        environment.emplace("POSTROOM_RELAY_DELIVERY", "exactly_once");
        return stage_.relay(environment);
    }
    // Under load, a relay dies at each of these steps, and the next one takes over.
    void die_at(const std::vector<std::string>& steps) {
        Writers writers{stage_.database(), {.seed = seed()}, journal_};
        for (const auto& step : steps) {
            auto killed = relay({{"POSTROOM_CRASH_AT", step}});
            ASSERT_TRUE(was_killed(killed)) << killed.output();
        }
        writers.stop();
    }
    void expect_each_once() {
        auto last = relay();
        stage_.await_drained();
        EXPECT_TRUE(stops_gracefully(last)) << last.output();
        const Verdict verdict = stage_.verdict(journal_);
        EXPECT_TRUE(verdict.sound()) << verdict;
        EXPECT_EQ(verdict.repeated, 0U) << verdict;
        EXPECT_GT(verdict.committed, 0U);
    }

    Stage stage_;
    Journal journal_;
};

TEST_F(ExactlyOnce, RepeatsNothingWhenKilledBeforeTheCommit) {
    die_at({"after_read:5", "after_produce:1", "after_produce:20", "after_ack:1", "after_ack:20",
            "before_commit:1", "before_commit:20"});
    expect_each_once();
}

TEST_F(ExactlyOnce, RepeatsNothingWhenKilledBetweenTheCommitAndTheDatabase) {
    die_at({"after_commit:1", "after_commit:1", "after_commit:20"});
    expect_each_once();
}

// Its predecessor is fenced by then, and what that had open aborted.
TEST_F(ExactlyOnce, RepeatsNothingWhenKilledBeforeItKnowsThePosition) {
    die_at({"before_commit:5", "after_fence", "after_commit:5", "after_fence"});
    expect_each_once();
}

TEST_F(ExactlyOnce, RepeatsNothingWhenKilledAtRandom) {
    std::mt19937_64 dice{seed()};
    Writers writers{stage_.database(), {.seed = seed()}, journal_};
    for (int kill = 0; kill < 10; ++kill) {
        auto killed = relay({{"POSTROOM_RELAY_LEASE_MS", "300"}});
        stage_.await_published(stage_.published() + std::uniform_int_distribution{1, 200}(dice));
        killed.signal(SIGKILL);
        ASSERT_TRUE(was_killed(killed)) << killed.output();
    }
    writers.stop();
    expect_each_once();
}

// Its successor fences it: what it has open is aborted, and it can publish nothing more.
TEST_F(ExactlyOnce, LetsAFrozenRelayPublishNothingOnceItHasASuccessor) {
    Writers writers{stage_.database(), {.seed = seed()}, journal_};
    for (int round = 0; round < 3; ++round) {
        // Frozen with a transaction open that holds events.
        auto zombie = relay({{"POSTROOM_FREEZE_AT", "before_commit:10"}});
        support::eventually(10s, "the relay to freeze", [&] { return is_frozen(zombie); });
        auto successor = relay();
        stage_.await_published(stage_.published() + 100);
        zombie.signal(SIGCONT);
        ASSERT_TRUE(support::happens_within(10s, [&] {
            return zombie.output().find("standing by") != std::string::npos ||
                   zombie.output().find("beginning again") != std::string::npos;
        })) << zombie.output();
        ASSERT_TRUE(stops_gracefully(zombie)) << zombie.output();
        ASSERT_TRUE(stops_gracefully(successor)) << successor.output();
    }
    writers.stop();
    expect_each_once();
}

TEST_F(ExactlyOnce, FollowsARebaseRatherThanWhatItCommittedBefore) {
    Transaction transaction{stage_.writer_dsn(), journal_};
    transaction.begin();
    transaction.append("account-1");
    transaction.commit();
    expect_each_once();
    pqxx::connection connection{stage_.database().dsn()};
    pqxx::nontransaction{connection}.exec("select outbox.rebase(0, '1:1:')");
    auto again = relay();
    stage_.await_drained();
    ASSERT_TRUE(stops_gracefully(again)) << again.output();
    EXPECT_EQ(stage_.verdict(journal_).repeated, 1U);
}

}  // namespace
}  // namespace chaos

// Fault 27: consumers of one group join, leave and are killed in turn.
#include <gtest/gtest.h>

#include <csignal>
#include <deque>

#include "chaos/effects.hpp"
#include "chaos/stage.hpp"
#include "chaos/writers.hpp"
#include "support/wait.hpp"

namespace chaos {
namespace {

using namespace std::chrono_literals;

// Some events fail at first, so that partitions are taken away while keys wait for another attempt.
TEST(Rebalance, WhileEventsFlowLosesRepeatsAndReordersNoEffect) {
    constexpr int rounds = 5;
    const Stage stage;
    const Effects effects{Stage::accounts};
    const std::string group = support::unique_name("group");
    const auto join = [&] {
        return std::unique_ptr<support::Process>{new support::Process{effects.consumer(
            stage.topic(), group, {.name = "", .environment = {{"POSTROOM_STUMBLES", "50"}}})}};
    };
    Journal journal;
    auto relay = stage.relay();
    Writers writers{
        stage.database(), {.seed = seed(), .writers = 3, .longest_hold = 30ms}, journal};
    std::deque<std::unique_ptr<support::Process>> members;
    members.push_back(join());
    support::eventually(30s, "the first effects", [&] { return effects.applied() > 0; });
    for (int round = 1; round <= rounds; ++round) {
        const auto before = effects.handovers();
        members.push_back(join());
        support::eventually(30s, "a partition to move",  // F
                            [&] { return effects.handovers() > before; });
        if (round == 2) {
            members.front()->signal(SIGKILL);
            EXPECT_TRUE(was_killed(*members.front()));
        } else {
            EXPECT_TRUE(stops_gracefully(*members.front())) << members.front()->output();
        }
        members.pop_front();
    }
    writers.stop();
    stage.await_drained();
    const auto committed = static_cast<std::int64_t>(journal.count(Outcome::committed));
    support::happens_within(30s, [&] { return effects.applied() >= committed; });
    for (auto& member : members) EXPECT_TRUE(stops_gracefully(*member)) << member->output();
    const EffectVerdict verdict = effects.verdict(journal);
    EXPECT_TRUE(verdict.exact()) << verdict << ", dead letters: " << effects.dead_letters();
    EXPECT_EQ(verdict.out_of_order, 0) << verdict;
}

}  // namespace
}  // namespace chaos

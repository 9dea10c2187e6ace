// Faults 19 and 20: a broker is killed under load; leaders move, and replicas fall behind.
#include "support/broker.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <utility>

#include "chaos/delivery.hpp"
#include "chaos/stage.hpp"
#include "chaos/writers.hpp"
#include "faults.hpp"
#include "support/wait.hpp"

namespace chaos {
namespace {

using namespace std::chrono_literals;

// Two replicas, both of which have to have a record before it counts: with one broker dead nothing
// may count, although the other goes on taking records that are acknowledged by it alone.
class BrokerDeath : public InEitherMode<> {};

TEST_P(BrokerDeath, CountsNothingAsPublishedThatOneBrokerAloneHolds) {
    support::Brokers brokers{2};
    const Stage stage{brokers.bootstrap(), 2, {{"min.insync.replicas", "2"}}};
    Journal journal;
    auto relay = stage.relay(delivery());
    Writers writers{stage.database(), {.seed = seed()}, journal};
    stage.await_published(500);

    brokers.kill(2);
    brokers.await_live(1);  // F: the cluster has noticed, and moved every partition to the survivor
    const auto before = stage.published();
    EXPECT_FALSE(support::happens_within(std::chrono::seconds{3},
                                         [&] { return stage.published() > before; }))
        << "published rose from " << before << " to " << stage.published() << " with one replica";
    EXPECT_GT(stage.pending(), 0);

    brokers.start(2);
    writers.stop();
    stage.await_drained();
    expect_kept(stage.verdict(journal));
}

class ThreeBrokers : public testing::Test {
protected:
    // As this node sees it, which must not be a frozen one.
    std::vector<support::Placement> seen_by(int node) const {
        return support::placements(stage_.topic(), brokers_.address(node));
    }
    int leader(int asked) const { return seen_by(asked)[0].leader; }
    bool all_in_sync(int asked, int replicas) const {
        return std::ranges::all_of(seen_by(asked), [replicas](const auto& at) {
            return at.leader > 0 && at.in_sync == replicas;
        });
    }
    static std::pair<int, int> others(int node) { return {node == 1 ? 2 : 1, node == 3 ? 2 : 3}; }

    support::Brokers brokers_{3};
    // Whoever is left may lead: that this loses nothing is up to the number of replicas.
    Stage stage_{brokers_.bootstrap(),
                 3,
                 {{"min.insync.replicas", faults::mutant("one_in_sync") ? "1" : "2"},
                  {"unclean.leader.election.enable", "true"}}};
    Journal journal_;
};

TEST_F(ThreeBrokers, LoseNothingWhenLeadersMoveAndTheLastOneInSyncDiesWithItsDisk) {
    auto relay = stage_.relay({}, {{"socket.timeout.ms", "1000"}});
    Writers writers{
        stage_.database(), {.seed = seed(), .writers = 2, .longest_hold = 30ms}, journal_};
    stage_.await_published(200);
    const int moved = leader(1);
    const int witness = others(moved).first;
    brokers_.kill(moved);
    support::eventually(30s, "a new leader", [&] {  // F
        const int now = leader(witness);
        return now > 0 && now != moved;
    });
    stage_.await_published(stage_.published() + 200);
    brokers_.start(moved);
    support::eventually(30s, "all replicas in sync", [&] { return all_in_sync(witness, 3); });

    const int last = leader(witness);
    const auto [one, other] = others(last);
    brokers_.freeze(one);
    brokers_.freeze(other);
    support::eventually(30s, "one replica in sync", [&] { return all_in_sync(last, 1); });  // F
    const auto before = stage_.published();
    EXPECT_FALSE(support::happens_within(5s, [&] { return stage_.published() > before + 100; }))
        << "published what one broker alone holds";
    brokers_.lose(last);
    brokers_.thaw(one);
    brokers_.thaw(other);
    support::eventually(30s, "leaders", [&] { return all_in_sync(one, 2); });
    stage_.await_published(stage_.published() + 200);
    writers.stop();
    stage_.await_drained();
    const Verdict verdict = stage_.verdict(journal_);
    EXPECT_TRUE(verdict.sound()) << verdict;
}

INSTANTIATE_TEST_SUITE_P(Delivery, BrokerDeath, modes, mode_name);

}  // namespace
}  // namespace chaos

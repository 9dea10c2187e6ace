// Fault 19: a broker is killed under load.
#include "support/broker.hpp"

#include <gtest/gtest.h>

#include "chaos/stage.hpp"
#include "chaos/writers.hpp"
#include "support/wait.hpp"

namespace chaos {
namespace {

// Two replicas, both of which have to have a record before it counts: with one broker dead nothing
// may count, although the other goes on taking records that are acknowledged by it alone.
TEST(BrokerDeath, CountsNothingAsPublishedThatOneBrokerAloneHolds) {
    support::Brokers brokers{2};
    const Stage stage{brokers.bootstrap(), 2, {{"min.insync.replicas", "2"}}};
    Journal journal;
    auto relay = stage.relay();
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
    const Verdict verdict = stage.verdict(journal);
    EXPECT_TRUE(verdict.sound()) << verdict;
}

}  // namespace
}  // namespace chaos

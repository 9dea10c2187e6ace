// Fault 21: the topic is deleted under load, with all that it held.
#include <gtest/gtest.h>

#include <pqxx/pqxx>

#include "chaos/stage.hpp"
#include "chaos/writers.hpp"
#include "support/wait.hpp"

namespace chaos {
namespace {

// The relay makes the topic again and goes on; only an operator can say whether what was lost with
// the old one has to be repeated, so the relay has to say that it was.
TEST(DeletedTopic, IsReportedAndWhatItHeldCanBeRepeated) {
    const Stage stage;
    auto relay = stage.relay();
    Journal journal;
    Writers writers{stage.database(), {.seed = seed()}, journal};
    stage.await_published(300);
    support::delete_topic(stage.topic());
    EXPECT_TRUE(support::happens_within(
        std::chrono::seconds{10},
        [&] { return relay.output().contains("topic " + stage.topic() + " was deleted"); }))
        << "no alarm: " << relay.output();
    stage.await_published(stage.published() + 500);
    writers.stop();
    stage.await_drained();
    EXPECT_GT(stage.verdict(journal).lost, 0U);  // F: acknowledged, and gone

    EXPECT_TRUE(stops_gracefully(relay)) << relay.output();
    pqxx::connection owner{stage.database().dsn()};
    pqxx::nontransaction{owner}.exec("select outbox.rebase(0, '1:1:')");
    auto again = stage.relay();
    stage.await_drained();
    const Verdict verdict = stage.verdict(journal);
    // The old ones come after the new ones, as they were told to.
    EXPECT_EQ(verdict.lost + verdict.undead + verdict.strangers, 0U) << verdict;
}

}  // namespace
}  // namespace chaos

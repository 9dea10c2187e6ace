// Faults 3, 26 and 28: events that come again, a consumer killed around its commit, and copies at
// the same time.
#include <gtest/gtest.h>

#include "chaos/effects.hpp"
#include "chaos/stage.hpp"
#include "chaos/writers.hpp"
#include "support/wait.hpp"

namespace chaos {
namespace {

class ConsumerCrash : public testing::Test {
protected:
    static constexpr std::chrono::seconds healing_limit{30};

    // Writes until so many events are published, some of them by relays that die, and drains.
    void publish(std::int64_t events, const std::vector<std::string>& relay_crash_points = {}) {
        Writers writers{stage_.database(), {.seed = seed()}, journal_};
        for (const std::string& crash_point : relay_crash_points) {
            auto relay = stage_.crashing_relay(crash_point);
            ASSERT_TRUE(was_killed(relay)) << relay.output();
        }
        auto relay = stage_.relay();
        stage_.await_published(events);
        writers.stop();
        stage_.await_drained();
        ASSERT_TRUE(stops_gracefully(relay)) << relay.output();
        const Verdict verdict = stage_.verdict(journal_);
        ASSERT_TRUE(verdict.sound()) << verdict;
    }
    std::int64_t committed() const {
        return static_cast<std::int64_t>(journal_.count(Outcome::committed));
    }
    void expect_exact() const {
        const EffectVerdict verdict = effects_.verdict(journal_);
        EXPECT_TRUE(verdict.exact()) << verdict << ", dead letters: " << effects_.dead_letters();
    }

    Stage stage_;
    Effects effects_{Stage::accounts};
    Journal journal_;
    const std::string group_ = support::unique_name("group");
};

TEST_F(ConsumerCrash, ARepeatedPublicationTakesEffectOnce) {
    publish(500, {"after_ack:1", "after_ack:2", "after_ack:20"});
    const auto repeated = static_cast<std::int64_t>(stage_.verdict(journal_).repeated);
    ASSERT_GT(repeated, 0);  // F: the relay died between acknowledgement and position

    auto consumer = effects_.consumer(stage_.topic(), group_);
    support::happens_within(healing_limit, [&] {
        return effects_.applied() + effects_.redelivered() >= committed() + repeated;
    });
    EXPECT_TRUE(stops_gracefully(consumer)) << consumer.output();
    expect_exact();
    EXPECT_EQ(effects_.redelivered(), repeated);
}

TEST_F(ConsumerCrash, AfterTheEffectLosesAndRepeatsNothing) {
    publish(6000);  // more than all of them get through, were offsets committed first
    for (const char* crash_point :
         {"after_effect:1", "after_commit:1", "after_effect:2", "after_commit:2"}) {
        auto consumer = effects_.consumer(stage_.topic(), group_, crash_point);
        ASSERT_TRUE(was_killed(consumer)) << consumer.output();  // F
    }
    auto consumer = effects_.consumer(stage_.topic(), group_);
    support::happens_within(healing_limit, [&] { return effects_.applied() >= committed(); });
    EXPECT_TRUE(stops_gracefully(consumer)) << consumer.output();
    expect_exact();
}

// Three groups read one topic for one inbox: every event is delivered three times, at about the
// same time.
TEST_F(ConsumerCrash, ConcurrentCopiesTakeEffectOnce) {
    publish(3000);
    auto first = effects_.consumer(stage_.topic(), group_ + "-1");
    auto second = effects_.consumer(stage_.topic(), group_ + "-2");
    auto third = effects_.consumer(stage_.topic(), group_ + "-3");
    support::happens_within(healing_limit, [&] {
        return effects_.applied() + effects_.redelivered() >= 3 * committed();
    });
    for (auto* consumer : {&first, &second, &third}) {
        EXPECT_TRUE(stops_gracefully(*consumer)) << consumer->output();
    }
    expect_exact();
    EXPECT_EQ(effects_.redelivered(), 2 * committed());  // F
}

}  // namespace
}  // namespace chaos

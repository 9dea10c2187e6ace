// Faults 1, 2 and 6: the relay is killed at exact steps, and stopped over and over, under load.
#include <gtest/gtest.h>

#include <random>

#include "chaos/stage.hpp"
#include "chaos/writers.hpp"

namespace chaos {
namespace {

class RelayCrash : public testing::Test {
protected:
    // Under load, each relay dies at one of these arrivals, and the next one takes over.
    void die_at(const std::string& crash_point, const std::vector<int>& arrivals) {
        Writers writers{stage_.database(), {.seed = seed()}, journal_};
        for (const int arrival : arrivals) {
            auto relay =
                start({{"POSTROOM_CRASH_AT", crash_point + ":" + std::to_string(arrival)}});
            ASSERT_TRUE(was_killed(relay)) << relay.output();
        }
        writers.stop();
        auto relay = start();
        stage_.await_drained();
        EXPECT_TRUE(stops_gracefully(relay)) << relay.output();
        verdict_ = stage_.verdict(journal_);
        RecordProperty("committed", static_cast<int>(verdict_.committed));
        EXPECT_GT(verdict_.committed, 0U);
    }

    support::Process start(std::map<std::string, std::string> settings = {}) const {
        settings["POSTROOM_RELAY_SOURCE"] = source_;
        return stage_.relay(settings);
    }

    Stage stage_;
    Journal journal_;
    Verdict verdict_;
    std::string source_ = "table";
};

TEST_F(RelayCrash, AfterReadLosesNothing) {
    die_at("after_read", {1, 2, 20});
    EXPECT_TRUE(verdict_.sound()) << verdict_;
}

TEST_F(RelayCrash, AfterProduceLosesNothingAndKeepsTheOrder) {
    die_at("after_produce", {1, 1, 1, 20});
    EXPECT_TRUE(verdict_.sound()) << verdict_;
}

TEST_F(RelayCrash, AfterTheAcknowledgementRepeatsButLosesNothing) {
    die_at("after_ack", {1, 20});
    EXPECT_TRUE(verdict_.sound()) << verdict_;
    EXPECT_GT(verdict_.repeated, 0U) << "the crash came too late to repeat anything";
}

class LogicalRelayCrash : public RelayCrash {
protected:
    void SetUp() override { source_ = "logical"; }
};

TEST_F(LogicalRelayCrash, AfterReadLosesNothing) {
    die_at("after_read", {1, 2, 20});
    EXPECT_TRUE(verdict_.sound()) << verdict_;
}

TEST_F(LogicalRelayCrash, AfterTheAcknowledgementRepeatsButLosesNothing) {
    die_at("after_ack", {2, 20});
    EXPECT_TRUE(verdict_.sound()) << verdict_;
    EXPECT_GT(verdict_.repeated, 0U) << "the crash came too late to repeat anything";
}

TEST_F(RelayCrash, FiftyGracefulStopsRepeatNothing) {
    constexpr int stops = 50;
    std::mt19937_64 dice{seed()};
    Writers writers{stage_.database(), {.seed = seed()}, journal_};
    for (int stop = 0; stop < stops; ++stop) {
        // A lease that no hiccup of a busy machine outlasts: a graceful stop gives it back.
        auto relay = stage_.relay({{"POSTROOM_RELAY_LEASE_MS", "20000"}});
        stage_.await_published(stage_.published() + std::uniform_int_distribution{1, 100}(dice));
        ASSERT_TRUE(stops_gracefully(relay)) << relay.output();
    }
    writers.stop();
    auto relay = stage_.relay();
    stage_.await_drained();
    const Verdict verdict = stage_.verdict(journal_);
    EXPECT_TRUE(verdict.sound()) << verdict;
    EXPECT_EQ(verdict.repeated, 0U) << verdict;
}

}  // namespace
}  // namespace chaos

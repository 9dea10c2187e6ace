// The checker itself: each thing it has to notice, planted.
#include "chaos/journal.hpp"

#include <gtest/gtest.h>

namespace chaos {
namespace {

support::Record record(const std::string& id, const std::string& key) {
    return {.topic = "t",
            .partition = 0,
            .offset = 0,
            .key = key,
            .value = "{}",
            .headers = {{"id", id}}};
}

class ChaosChecker : public testing::Test {
protected:
    void SetUp() override {
        journal_.note({{"a1", "a", 1}, {"a2", "a", 2}, {"b1", "b", 1}}, Outcome::committed);
        journal_.note({{"a9", "a", 9}}, Outcome::aborted);
        journal_.note({{"c1", "c", 1}}, Outcome::unknown);
    }
    Journal journal_;
};

TEST_F(ChaosChecker, AcceptsWhatWasCommittedInOrder) {
    const auto verdict =
        compare(journal_, {record("a1", "a"), record("b1", "b"), record("a2", "a")});
    EXPECT_TRUE(verdict.sound()) << verdict;
    EXPECT_EQ(verdict.committed, 3U);
    EXPECT_EQ(verdict.repeated, 0U);
}

TEST_F(ChaosChecker, TakesAnUnknownOutcomeEitherWay) {
    EXPECT_TRUE(compare(journal_, {record("a1", "a"), record("b1", "b"), record("a2", "a"),
                                   record("c1", "c")})
                    .sound());
}

TEST_F(ChaosChecker, NoticesALostEvent) {
    EXPECT_EQ(compare(journal_, {record("a1", "a"), record("b1", "b")}).lost, 1U);
}

TEST_F(ChaosChecker, NoticesAnAbortedEventAndAStranger) {
    const auto verdict = compare(journal_, {record("a1", "a"), record("a2", "a"), record("b1", "b"),
                                            record("a9", "a"), record("x", "x")});
    EXPECT_EQ(verdict.undead, 1U);
    EXPECT_EQ(verdict.strangers, 1U);
}

TEST_F(ChaosChecker, NoticesAnOvertakenEvent) {
    EXPECT_EQ(
        compare(journal_, {record("a2", "a"), record("a1", "a"), record("b1", "b")}).out_of_order,
        1U);
}

TEST_F(ChaosChecker, CountsARepetitionButNotItsOrder) {
    const auto verdict = compare(
        journal_, {record("a1", "a"), record("a2", "a"), record("a1", "a"), record("b1", "b")});
    EXPECT_TRUE(verdict.sound()) << verdict;
    EXPECT_EQ(verdict.repeated, 1U);
}

}  // namespace
}  // namespace chaos

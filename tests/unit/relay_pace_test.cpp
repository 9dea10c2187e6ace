#include <gtest/gtest.h>

#include "relay/pace.hpp"

namespace relay {
namespace {

using namespace std::chrono_literals;

std::chrono::milliseconds rest(std::size_t events, std::chrono::milliseconds every) {
    Pace pace;
    const auto now = Pace::Clock::now();
    pace.after(1, now);
    return pace.after(events, now + every);
}

TEST(Pace, LetsFewEventsWaitForNothing) {
    EXPECT_EQ(rest(1, 1000ms), 0ms);
    EXPECT_EQ(rest(3, 3ms), 0ms);
}

TEST(Pace, RestsTheLongerTheMoreEventsThereAre) {
    EXPECT_EQ(rest(10, 5ms), 1ms);
    EXPECT_EQ(rest(10, 2ms), 2ms);
    EXPECT_EQ(rest(300, 3ms), 5ms);
}

TEST(Pace, NeverRestsInABacklog) { EXPECT_EQ(rest(Pace::large, 2ms), 0ms); }

TEST(Pace, BeginsWithoutARest) { EXPECT_EQ(Pace{}.after(10, Pace::Clock::now()), 0ms); }

TEST(Pace, PollsTheLessTheLongerNothingHappens) {
    EXPECT_EQ(Pace::within(2ms, 1ms), 1ms);
    EXPECT_EQ(Pace::within(12ms, 1ms), 3ms);
    EXPECT_EQ(Pace::within(900ms, 1ms), Pace::longest);
    EXPECT_EQ(Pace::within(900ms, 20ms), 20ms) << "no more often than asked for";
}

}  // namespace
}  // namespace relay

#include "domain/sonyflake.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <thread>
#include <vector>

namespace domain {
namespace {

using std::chrono::milliseconds;
using std::chrono::sys_days;
using std::chrono::system_clock;
using std::chrono::year;

constexpr system_clock::time_point start = sys_days{year{2014} / 9 / 1};

TEST(Sonyflake, PutsTheTimeInUnitsOfTenMillisecondsAboveBit24) {
    Sonyflake ids{7, [] { return start + milliseconds{1239}; }};
    const auto id = ids.next();
    EXPECT_EQ(id >> 24, 123);
    EXPECT_EQ(id & 0xffff, 7);
}

TEST(Sonyflake, BorrowsFromTheNextUnitWhenTheSequenceIsUsedUp) {
    Sonyflake ids{0, [] { return start + milliseconds{10}; }};
    std::int64_t last = 0;
    for (int i = 0; i < 1000; ++i) {
        const auto id = ids.next();
        ASSERT_GT(id, last);
        last = id;
    }
    EXPECT_EQ(last >> 24, 1 + 999 / 256);
}

TEST(Sonyflake, GoesOnUpwardsWhenTheClockIsSetBack) {
    auto now = start + milliseconds{5000};
    Sonyflake ids{0, [&] { return now; }};
    const auto before = ids.next();
    now = start + milliseconds{1000};
    EXPECT_GT(ids.next(), before);
}

TEST(Sonyflake, NeverRepeatsAcrossThreadsAndMachines) {
    Sonyflake one{1};
    Sonyflake two{2};
    std::vector<std::vector<std::int64_t>> made(4);
    {
        std::vector<std::jthread> threads;
        for (std::size_t i = 0; i < made.size(); ++i) {
            threads.emplace_back([&, i] {
                for (int n = 0; n < 5000; ++n) made[i].push_back((i % 2 == 0 ? one : two).next());
            });
        }
    }
    std::vector<std::int64_t> all;
    for (const auto& part : made) all.insert(all.end(), part.begin(), part.end());
    std::ranges::sort(all);
    EXPECT_EQ(std::ranges::adjacent_find(all), all.end());
}

}  // namespace
}  // namespace domain

#include "domain/cache/filter.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <random>
#include <stdexcept>
#include <thread>

namespace domain::cache {
namespace {

std::vector<std::int64_t> ids(std::size_t count, unsigned seed) {
    std::mt19937_64 numbers{seed};
    std::vector<std::int64_t> made(count);
    // As Sonyflake makes them: time above, machine below.
    std::int64_t tick = 20'000'000'000;
    for (auto& id : made) {
        tick += static_cast<std::int64_t>(numbers() % 3);
        id = (tick << 24) | static_cast<std::int64_t>(numbers() % 0xffffff);
    }
    return made;
}

template <class Kind>
struct FilterKind : testing::Test {};
using Kinds = testing::Types<CuckooFilter, BloomFilter>;
TYPED_TEST_SUITE(FilterKind, Kinds);

TYPED_TEST(FilterKind, FindsEveryIdAndDeniesNearlyEveryOther) {
    TypeParam filter{600'000};
    const auto there = ids(600'000, 1);
    for (const auto id : there) filter.add(id);
    std::size_t lost = 0, wrong = 0;
    for (const auto id : there) lost += filter.contains(id) ? 0U : 1U;
    for (const auto id : ids(600'000, 2)) wrong += filter.contains(id) ? 1U : 0U;
    EXPECT_EQ(lost, 0U);
    EXPECT_LT(wrong, 150U) << "of 600000";
}

TYPED_TEST(FilterKind, FindsEveryIdFarBeyondItsCapacity) {
    TypeParam filter{1000};
    const auto there = ids(20'000, 3);
    std::size_t lost = 0;
    for (const auto id : there) {
        filter.add(id);
        lost += filter.contains(id) ? 0U : 1U;
    }
    for (const auto id : there) lost += filter.contains(id) ? 0U : 1U;
    EXPECT_EQ(lost, 0U) << "a full filter has lost ids";
}

TYPED_TEST(FilterKind, TakesSmallNegativeAndRepeatedIds) {
    TypeParam filter{100};
    for (int round = 0; round < 1000; ++round) {
        for (std::int64_t id = -5; id < 5; ++id) filter.add(id);
    }
    for (std::int64_t id = -5; id < 5; ++id) EXPECT_TRUE(filter.contains(id));
    EXPECT_TRUE((TypeParam{0}.add(1), true));
}

TEST(CuckooFilter, GrowsNotByRepeats) {
    CuckooFilter filter{1000};
    for (int round = 0; round < 1000; ++round) filter.add(42);
    EXPECT_EQ(filter.tables(), 1U);
}

TEST(Filter, SaysYesUntilItIsFilledAndWheneverItCannotAsk) {
    bool away = true;
    Filter filter{{.capacity = 100}, [&](const std::string&) -> Filter::Added {
                      if (away) throw std::runtime_error{"the database is away"};
                      return {.cursor = "1", .ids = {7}};
                  }};
    EXPECT_TRUE(filter.might_exist(8));
    EXPECT_THROW(filter.fill(), std::runtime_error);
    EXPECT_TRUE(filter.might_exist(8));
    away = false;
    filter.fill();
    EXPECT_TRUE(filter.might_exist(7));
    EXPECT_FALSE(filter.might_exist(8));
    away = true;
    EXPECT_TRUE(filter.might_exist(8));
    away = false;
    EXPECT_FALSE(filter.might_exist(8)) << "it has not recovered";
    filter.add(8);
    EXPECT_TRUE(filter.might_exist(8));
}

TEST(Filter, AsksFromWhereItLastAsked) {
    std::vector<std::string> asked;
    Filter filter{{.kind = Filter::Kind::bloom, .capacity = 100}, [&](const std::string& cursor) {
                      asked.push_back(cursor);
                      return Filter::Added{.cursor = std::to_string(asked.size()), .ids = {}};
                  }};
    filter.fill();
    EXPECT_FALSE(filter.might_exist(1));
    EXPECT_FALSE(filter.might_exist(2));
    EXPECT_EQ(asked, (std::vector<std::string>{"", "1", "2"}));
}

TEST(Filter, NeverDeniesWhatOthersAddedBeforeTheQuestion) {
    std::atomic<std::int64_t> committed{0};
    std::atomic<int> queries{0};
    Filter filter{{.capacity = 100'000}, [&](const std::string& cursor) {
                      ++queries;
                      const auto upto = committed.load();
                      Filter::Added added{.cursor = std::to_string(upto), .ids = {}};
                      for (auto id = cursor.empty() ? 0 : std::stoll(cursor); id < upto; ++id)
                          added.ids.push_back(id);
                      return added;
                  }};
    filter.fill();
    std::atomic<int> denied{0};
    {
        std::vector<std::jthread> askers;
        for (int asker = 0; asker < 8; ++asker) {
            askers.emplace_back([&] {
                for (int i = 0; i < 2000; ++i) {
                    if (!filter.might_exist(committed++)) ++denied;
                }
            });
        }
    }
    EXPECT_EQ(denied, 0);
    EXPECT_LE(queries, 16'001);
}

}  // namespace
}  // namespace domain::cache

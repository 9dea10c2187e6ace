#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "domain/cache/connection.hpp"
#include "domain/cache/local_cache.hpp"
#include "domain/cache/redis.hpp"
#include "domain/cache/slots.hpp"

namespace domain::cache {
namespace {

using namespace std::chrono_literals;

TEST(Slots, AreThoseOfTheClusterSpecification) {
    EXPECT_EQ(crc16("123456789"), 0x31C3);
    EXPECT_EQ(slot_of("foo"), 12182);
    EXPECT_EQ(slot_of("bar"), 5061);
    EXPECT_EQ(slot_of(""), 0);
}

TEST(Slots, AreByTheHashTagIfThereIsOne) {
    EXPECT_EQ(slot_of("{user1000}.following"), slot_of("user1000"));
    EXPECT_EQ(slot_of("{user1000}.followers"), slot_of("user1000"));
    EXPECT_EQ(slot_of("foo{}{bar}"), crc16("foo{}{bar}") % slot_count);
    EXPECT_EQ(slot_of("foo{{bar}}zap"), slot_of("{bar"));
    EXPECT_EQ(slot_of("foo{bar}{zap}"), slot_of("bar"));
    EXPECT_EQ(slot_of("foo{bar"), crc16("foo{bar") % slot_count);
}

TEST(Slots, AreTheSameOfAKeyAndItsMutex) {
    for (const auto* key : {"get_order:1", "{a}b", "x{y}z", "open{"}) {
        EXPECT_EQ(slot_of(mutex_of(key)), slot_of(key)) << key;
    }
    EXPECT_EQ(mutex_of("get_order:1"), "mutex:{get_order:1}");
}

TEST(Script, IsCalledByItsSha1) {
    EXPECT_EQ(Script{"return 1"}.sha1(), "e0e1f9fabfc9d4800c877a703b823ac0578ff8db");
}

TEST(Address, IsHostAndPort) {
    EXPECT_EQ(parse_address("redis.local:6379").host, "redis.local");
    EXPECT_EQ(parse_address("[::1]:6379").host, "::1");
    EXPECT_EQ(parse_address("[::1]:6379").port, 6379);
    for (const auto* address : {"", "localhost", ":6379", "a:", "a:0", "a:65536", "a:1x"}) {
        EXPECT_THROW(parse_address(address), std::invalid_argument) << address;
    }
    EXPECT_THROW(Redis{{.addresses = {}}}, std::invalid_argument);
}

struct LocalCacheTest : testing::Test {
    using Cache = LocalCache<std::string>;
    Cache::Clock::time_point now;
    Cache cache{{.entries = 3, .bytes = 20, .now = [this] { return now; }}};
    void put(const std::string& key, const std::string& value) {
        cache.put(key, value, value.size(), 10s);
    }
};

TEST_F(LocalCacheTest, ForgetsTheLeastRecentlyUsedFirst) {
    for (const auto* key : {"a", "b", "c"}) put(key, "1");
    EXPECT_EQ(cache.get("a"), "1");
    put("d", "1");
    EXPECT_EQ(cache.get("b"), std::nullopt);
    for (const auto* key : {"a", "c", "d"}) EXPECT_EQ(cache.get(key), "1");
    EXPECT_EQ(cache.size(), 3U);
}

TEST_F(LocalCacheTest, HoldsNoMoreBytesThanItMay) {
    put("a", "12345678");
    put("b", "12345678");
    EXPECT_EQ(cache.bytes(), 18U);
    put("c", "1234");
    EXPECT_EQ(cache.get("a"), std::nullopt);
    EXPECT_EQ(cache.bytes(), 14U);
    put("b", "larger than all that fits in");
    EXPECT_EQ(cache.get("b"), std::nullopt) << "an old value outlived its successor";
    EXPECT_EQ(cache.get("c"), "1234");
}

TEST_F(LocalCacheTest, ForgetsWhatIsOld) {
    put("a", "1");
    now += 9'999ms;
    EXPECT_EQ(cache.get("a"), "1");
    now += 1ms;
    EXPECT_EQ(cache.get("a"), std::nullopt);
    EXPECT_EQ(cache.size(), 0U);
    EXPECT_EQ(cache.bytes(), 0U);
}

TEST_F(LocalCacheTest, ErasesAndClears) {
    put("a", "1");
    put("b", "2");
    put("a", "3");
    EXPECT_EQ(cache.get("a"), "3");
    cache.erase("a");
    cache.erase("never there");
    EXPECT_EQ(cache.get("a"), std::nullopt);
    cache.clear();
    EXPECT_EQ(cache.get("b"), std::nullopt);
    EXPECT_EQ(cache.bytes(), 0U);
}

TEST(LocalCache, KeepsToItsBoundsUnderManyThreads) {
    LocalCache<std::string> cache{{.entries = 50, .bytes = 400}};
    {
        std::vector<std::jthread> threads;
        for (int thread = 0; thread < 8; ++thread) {
            threads.emplace_back([&cache, thread] {
                for (int i = 0; i < 5000; ++i) {
                    const auto key = std::to_string((i * 7 + thread) % 100);
                    if (i % 11 == 0) cache.erase(key);
                    cache.put(key, key, key.size(), 1h);
                    EXPECT_EQ(cache.get(key).value_or(key), key);
                }
            });
        }
    }
    EXPECT_LE(cache.size(), 50U);
    EXPECT_LE(cache.bytes(), 400U);
}

}  // namespace
}  // namespace domain::cache

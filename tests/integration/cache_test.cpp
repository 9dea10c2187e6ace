#include <gtest/gtest.h>

#include <csignal>
#include <future>
#include <latch>
#include <thread>

#include "domain/cache/cached.hpp"
#include "support/redis_server.hpp"
#include "support/wait.hpp"

namespace domain::cache {
namespace {

using namespace std::chrono_literals;

constexpr auto channel = "invalidate_cache:test";

Redis::Options options(std::vector<std::string> addresses) {
    // Bounds for a busy machine: nothing here is to fail by them, unless it hangs.
    return {.addresses = std::move(addresses),
            .node = {.password = support::redis_password,
                     .wait = 10s,
                     .bounds = {.connect = 5s, .command = 5s},
                     .longest_pause = 200ms},
            .refresh_pause = 20ms};
}

// A process's share of the whole: its own connections, memory and subscription.
struct Side {
    explicit Side(const std::vector<std::string>& addresses, Cached::Options how = {})
        : redis{options(addresses)}, cached{redis, with_channel(std::move(how))} {
        hear();
    }
    static Cached::Options with_channel(Cached::Options how) {
        how.channel = channel;
        how.unheard = 1h;
        return how;
    }
    void hear() {
        support::eventually(20s, "the channel to be heard", [this] { return cached.hears(); });
    }
    Cached::Value get(const std::string& key, const Cached::Value& truth) {
        return cached.get(key, [&] { return truth; });
    }
    std::uint64_t loads() const { return cached.counts().loads; }
    std::uint64_t local_hits() const { return cached.counts().local_hits; }

    Redis redis;
    Cached cached;
};

// A load that has read the truth and waits before it returns it.
class SlowLoad {
public:
    explicit SlowLoad(Side& side, std::string key, std::string value)
        : answer_{std::async(std::launch::async, [this, &side, key, value] {
              return side.cached.get(key, [&]() -> Cached::Value {
                  read_.count_down();
                  released_.wait();
                  return value;
              });
          })} {
        read_.wait();
    }
    Cached::Value finish() {
        released_.count_down();
        return answer_.get();
    }

private:
    std::latch read_{1};
    std::latch released_{1};
    std::future<Cached::Value> answer_;
};

class CacheTest : public testing::Test {
protected:
    support::RedisServer server;
    std::vector<std::string> addresses{server.address()};
    Side one{addresses}, two{addresses};
};

TEST_F(CacheTest, IsAskedInMemoryThenInRedisThenLoads) {
    EXPECT_EQ(one.get("k", "v"), "v");
    EXPECT_EQ(one.get("k", "never loaded"), "v");
    EXPECT_EQ(two.get("k", "never loaded"), "v");
    EXPECT_EQ(one.loads(), 1U);
    EXPECT_EQ(one.local_hits(), 1U);
    EXPECT_EQ(two.loads(), 0U);
    EXPECT_EQ(two.cached.counts().redis_hits, 1U);
    const auto life = std::stoll(server.cli({"PTTL", "k"}));
    EXPECT_GT(life, 800'000);
    EXPECT_LE(life, 990'000);
    EXPECT_EQ(server.cli({"EXISTS", "mutex:{k}"}), "0");
    EXPECT_EQ(one.get("empty", ""), "");
    EXPECT_EQ(two.get("empty", "never loaded"), "") << "an empty value passes for none";
}

TEST_F(CacheTest, RemembersBrieflyWhatDoesNotExist) {
    EXPECT_EQ(one.get("none", std::nullopt), std::nullopt);
    EXPECT_EQ(one.get("none", "never loaded"), std::nullopt);
    EXPECT_EQ(two.get("none", "never loaded"), std::nullopt);
    EXPECT_LE(std::stoll(server.cli({"PTTL", "none"})), 5'000);
    one.cached.invalidate({"none"});
    EXPECT_EQ(one.get("none", "made"), "made");
}

TEST_F(CacheTest, RemembersNoFailure) {
    const auto fail = [] -> Cached::Value { throw std::out_of_range{"the database is away"}; };
    EXPECT_THROW(one.cached.get("k", fail), std::out_of_range);
    EXPECT_EQ(server.cli({"EXISTS", "mutex:{k}"}), "0") << "others wait for nobody";
    EXPECT_EQ(one.get("k", "v"), "v");
}

TEST_F(CacheTest, LoadsOnceForAHundredThreads) {
    std::latch ready{100};
    std::atomic<int> loads{0};
    std::vector<std::future<Cached::Value>> answers;
    for (int i = 0; i < 100; ++i) {
        answers.push_back(std::async(std::launch::async, [&] {
            ready.arrive_and_wait();
            return one.cached.get("k", [&]() -> Cached::Value {
                ++loads;
                // Until the others are there, or a second of them had to be let in.
                support::happens_within(200ms, [&] { return loads > 1; });
                return "v";
            });
        }));
    }
    for (auto& answer : answers) EXPECT_EQ(answer.get(), "v");
    EXPECT_EQ(loads, 1);
}

TEST_F(CacheTest, LoadsOnceForTwoProcesses) {
    for (int round = 0; round < 20; ++round) {
        const auto key = "k" + std::to_string(round);
        std::latch ready{40};
        std::atomic<int> loads{0};
        std::vector<std::future<Cached::Value>> answers;
        for (int i = 0; i < 40; ++i) {
            answers.push_back(std::async(std::launch::async, [&, i] {
                ready.arrive_and_wait();
                return (i % 2 == 0 ? one : two).cached.get(key, [&]() -> Cached::Value {
                    ++loads;
                    support::happens_within(20ms, [&] { return loads > 1; });
                    return "v";
                });
            }));
        }
        for (auto& answer : answers) EXPECT_EQ(answer.get(), "v");
        EXPECT_EQ(loads, 1) << key;
    }
}

TEST_F(CacheTest, WaitsNotForEverForAProcessThatHoldsTheMutex) {
    server.cli({"SET", "mutex:{k}", "of a process that died", "PX", "3600000"});
    EXPECT_EQ(one.get("k", "v"), "v");
    EXPECT_EQ(server.cli({"EXISTS", "k"}), "0") << "stored without the mutex";
    EXPECT_EQ(server.cli({"GET", "mutex:{k}"}), "of a process that died");
}

TEST_F(CacheTest, WaitsNotForEverForAThreadThatLoads) {
    Side hasty{addresses, {.load_wait = 1ms}};
    SlowLoad slow{hasty, "k", "v"};
    EXPECT_THROW(hasty.get("k", "w"), LoadTimeout);
    EXPECT_EQ(slow.finish(), "v");
}

TEST_F(CacheTest, IsInvalidatedInEveryProcess) {
    for (auto* side : {&one, &two}) EXPECT_EQ(side->get("k", "old"), "old");
    EXPECT_EQ(two.get("other", "stays"), "stays");
    one.cached.invalidate({"k", "unknown"});
    EXPECT_EQ(one.get("k", "new"), "new") << "stale where it was changed";
    support::eventually(20s, "the other process to forget",
                        [&] { return two.get("k", "new") == "new"; });
    EXPECT_EQ(two.get("other", "never loaded"), "stays");
}

TEST_F(CacheTest, TakesAJsonArrayOfKeysAsAnyProcessMaySendIt) {
    EXPECT_EQ(one.get("k", "old"), "old");
    EXPECT_EQ(one.get("other", "old"), "old");
    server.cli({"DEL", "k", "other"});
    server.cli({"PUBLISH", channel, R"(["k"])"});
    support::eventually(20s, "the key to go", [&] { return one.get("k", "new") == "new"; });
    EXPECT_EQ(one.get("other", "new"), "old");
    server.cli({"PUBLISH", channel, "no such thing"});  // whatever it means: rather forget all
    support::eventually(20s, "all to go", [&] { return one.get("other", "new") == "new"; });
}

TEST_F(CacheTest, StoresNoAnswerInRedisFromBeforeAnInvalidation) {
    SlowLoad slow{one, "k", "old"};
    two.cached.invalidate({"k"});
    EXPECT_EQ(slow.finish(), "old") << "asked before it, which may be answered so";
    EXPECT_EQ(one.cached.counts().refused_stores, 1U);
    EXPECT_EQ(server.cli({"EXISTS", "k"}), "0") << "stale: Redis holds what was invalidated";
    EXPECT_EQ(two.get("k", "new"), "new");
    EXPECT_EQ(one.get("k", "new"), "new");
}

TEST_F(CacheTest, StoresNoAnswerInMemoryFromBeforeAnInvalidation) {
    server.cli({"SET", "mutex:{k}", "of another process", "PX", "3600000"});
    SlowLoad slow{one, "k", "old"};  // after waiting: without the mutex
    one.cached.invalidate({"k"});
    EXPECT_EQ(one.get("k", "new"), "new") << "joined a load from before the invalidation";
    EXPECT_EQ(slow.finish(), "old");
    EXPECT_EQ(one.get("k", "newer"), "new") << "stale: memory holds what was invalidated";
}

TEST_F(CacheTest, StoresNoAnswerInMemoryFromBeforeAnotherProcessesInvalidation) {
    server.cli({"SET", "mutex:{k}", "of another process", "PX", "3600000"});
    SlowLoad slow{one, "k", "old"};
    EXPECT_EQ(one.get("mark", "old"), "old");
    two.cached.invalidate({"k", "mark"});
    support::eventually(20s, "the message", [&] { return one.get("mark", "new") == "new"; });
    EXPECT_EQ(slow.finish(), "old");
    EXPECT_EQ(one.get("k", "new"), "new");
}

TEST_F(CacheTest, ForgetsEverythingWheneverItMayHaveMissedAMessage) {
    EXPECT_EQ(one.get("k", "old"), "old");
    server.cli({"DEL", "k"});
    server.cli({"CLIENT", "KILL", "TYPE", "pubsub"});
    support::eventually(20s, "the memory to be cleared",
                        [&] { return one.get("k", "new") == "new"; });
    one.hear();
    two.cached.invalidate({"k"});
    support::eventually(20s, "a message after the reconnect",
                        [&] { return one.get("k", "newer") == "newer"; });
}

TEST_F(CacheTest, GoesOnWithoutRedisAndWithItAgain) {
    EXPECT_EQ(one.get("k", "v"), "v");
    server.kill();
    support::eventually(20s, "the loss to be noticed", [&] { return !one.cached.hears(); });
    EXPECT_EQ(one.get("k", "loaded"), "loaded");
    EXPECT_EQ(one.get("k", "never loaded"), "loaded") << "kept for a moment all the same";
    one.cached.invalidate({"k"});
    EXPECT_EQ(one.get("k", "new"), "new");
    EXPECT_GE(one.cached.counts().redis_failures, 1U);
    server.start();
    for (auto* side : {&one, &two}) side->hear();
    support::eventually(20s, "Redis to be used again", [&] {
        one.cached.invalidate({"k"});
        EXPECT_EQ(one.get("k", "v"), "v");
        return server.cli({"EXISTS", "k"}) == "1";
    });
    EXPECT_EQ(two.get("k", "never loaded"), "v");
}

TEST_F(CacheTest, TellsRedisWhatItMissedBeforeItIsReadAgain) {
    EXPECT_EQ(one.get("k", "old"), "old");
    server.cli({"CLIENT", "KILL", "TYPE", "normal"});
    server.cli({"CONFIG", "SET", "requirepass", "another"});  // one's new connections fail
    one.cached.invalidate({"k"});
    EXPECT_EQ(one.get("k", "new"), "new") << "read from a Redis that was not told";
    Connection session{server.address(), "another", {}};
    EXPECT_EQ(session.command({"GET", "k"}).text, "+old") << "the invalidation got through";
    session.command({"CONFIG", "SET", "requirepass", support::redis_password});
    support::eventually(20s, "the debt to be paid",
                        [&] { return server.cli({"EXISTS", "k"}) == "0"; });
    support::eventually(20s, "the other process to read the new",
                        [&] { return two.get("k", "new") == "new"; });
}

TEST(CacheOverCluster, InvalidatesOnAllServersAndOutlivesAMastersDeath) {
    support::RedisCluster cluster;
    Side one{cluster.addresses()}, two{cluster.addresses()};
    std::vector<std::string> keys;
    for (int i = 0; i < 30; ++i) keys.push_back("get_order:" + std::to_string(i));
    for (const auto& key : keys) EXPECT_EQ(one.get(key, "old"), "old");
    for (const auto& key : keys) EXPECT_EQ(two.get(key, "never loaded"), "old");
    one.cached.invalidate(keys);
    for (const auto& key : keys) {
        EXPECT_EQ(one.get(key, "new"), "new");
        support::eventually(20s, "the message", [&] { return two.get(key, "new") == "new"; });
    }
    EXPECT_EQ(one.cached.counts().redis_failures, 0U);

    const auto slot = slot_of(keys.front());
    const auto master = cluster.master_of(slot);
    cluster.server(master).kill();
    one.cached.invalidate(keys);
    for (const auto& key : keys) EXPECT_EQ(one.get(key, "newer"), "newer");
    EXPECT_GE(one.cached.counts().redis_failures, 1U) << "no master died: no test";
    support::eventually(60s, "the replica to be used", [&] {
        one.cached.invalidate({keys.front()});
        EXPECT_EQ(one.get(keys.front(), "newest"), "newest");
        const auto successor = cluster.find_master(slot);
        return successor && successor != master &&
               cluster.server(*successor).cli({"GET", keys.front()}) == "+newest";
    });
    support::eventually(20s, "the other process to read it",
                        [&] { return two.get(keys.front(), "newest") == "newest"; });
}

}  // namespace
}  // namespace domain::cache

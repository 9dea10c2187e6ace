#include "domain/cache/redis.hpp"

#include <gtest/gtest.h>

#include <csignal>
#include <future>
#include <thread>

#include "support/redis_server.hpp"
#include "support/wait.hpp"

namespace domain::cache {
namespace {

using namespace std::chrono_literals;

Redis::Options options(std::vector<std::string> addresses) {
    // Bounds for a busy machine: nothing here is to fail by them, unless it hangs.
    return {.addresses = std::move(addresses),
            .node = {.password = support::redis_password,
                     .wait = 5s,
                     .bounds = {.connect = 2s, .command = 2s},
                     .longest_pause = 200ms},
            .refresh_pause = 20ms};
}

std::string set_and_get(Redis& redis, const std::string& key, const std::string& value) {
    redis.run(key, {"SET", key, value});
    return redis.run(key, {"GET", key}).text;
}

bool works(Redis& redis, const std::string& key) {
    try {
        return set_and_get(redis, key, "works") == "works";
    } catch (const RedisError&) {
        return false;
    }
}

TEST(RedisTest, RunsCommandsAndScriptsAndKeepsBinaryValues) {
    const support::RedisServer server;
    Redis redis{options({server.address()})};
    const std::string binary{"\0\r\n\xff{", 5};
    EXPECT_EQ(set_and_get(redis, "key", binary), binary);
    EXPECT_EQ(redis.run("none", {"GET", "none"}).kind, Reply::Kind::nil);
    const Script script{"return {KEYS[1], ARGV[1], 7}"};
    for (int round = 0; round < 2; ++round) {  // unknown to the server at first
        const auto reply = redis.eval(script, {"key"}, {"argument"});
        ASSERT_EQ(reply.list.size(), 3U);
        EXPECT_EQ(reply.list[1].text, "argument");
        EXPECT_EQ(reply.list[2].integer, 7);
    }
    EXPECT_THROW(redis.run("key", {"INCR", "key"}), RedisError);
    EXPECT_EQ(set_and_get(redis, "key", "after an error"), "after an error");
}

TEST(RedisTest, IsUnavailableWithAWrongPassword) {
    const support::RedisServer server;
    auto wrong = options({server.address()});
    wrong.node.password = "guessed";
    Redis redis{wrong};
    EXPECT_THROW(redis.run("key", {"GET", "key"}), Unavailable);
}

TEST(RedisTest, ServesManyThreadsByFewConnections) {
    const support::RedisServer server;
    auto few = options({server.address()});
    few.node.connections = 3;
    Redis redis{few};
    {
        std::vector<std::jthread> threads;
        for (int thread = 0; thread < 32; ++thread) {
            threads.emplace_back([&redis, key = "key" + std::to_string(thread)] {
                for (int i = 0; i < 100; ++i) {
                    const auto value = std::to_string(i);
                    EXPECT_EQ(set_and_get(redis, key, value), value);
                }
            });
        }
    }
    const auto info = server.cli({"INFO", "stats"});
    const auto at = info.find("total_connections_received:");
    ASSERT_NE(at, std::string::npos);
    // Besides those, redis-cli's: one a start's probe, and this one.
    EXPECT_LE(std::stoi(info.substr(at + 27)), 3 + 10);
}

TEST(RedisTest, IsLeftAloneWhileItIsAwayAndUsedWhenItIsBack) {
    support::RedisServer server;
    auto patient = options({server.address()});
    patient.node.first_pause = patient.node.longest_pause = 1h;
    Redis first{options({server.address()})};
    Redis second{patient};
    for (auto* redis : {&first, &second}) EXPECT_TRUE(works(*redis, "key"));
    server.kill();
    for (auto* redis : {&first, &second}) EXPECT_FALSE(works(*redis, "key"));
    try {
        second.run("key", {"GET", "key"});
        FAIL() << "the server is dead";
    } catch (const Unavailable& error) {
        EXPECT_NE(std::string{error.what()}.find("is left alone"), std::string::npos)
            << error.what();
    }
    server.start();
    support::eventually(20s, "Redis to be used again", [&] { return works(first, "key"); });
    EXPECT_FALSE(works(second, "key")) << "asked before its pause was over";
}

TEST(RedisTest, IsUsedAtOnceAfterARestartThatNobodySaw) {
    support::RedisServer server;
    Redis redis{options({server.address()})};
    EXPECT_TRUE(works(redis, "key"));
    server.kill();
    server.start();
    EXPECT_TRUE(works(redis, "key")) << "a stale connection was taken for a server that is away";
}

TEST(RedisTest, WaitsForAHangingServerOnceAndThenLeavesItAlone) {
    support::RedisServer server;
    auto bounded = options({server.address()});
    bounded.node.bounds = {.connect = 300ms, .command = 300ms};
    bounded.node.first_pause = bounded.node.longest_pause = 2s;
    Redis redis{bounded};
    EXPECT_TRUE(works(redis, "key"));
    server.signal(SIGSTOP);
    EXPECT_FALSE(works(redis, "key"));
    for (int i = 0; i < 100; ++i) EXPECT_FALSE(works(redis, "key"));
    server.signal(SIGCONT);
    support::eventually(20s, "Redis to be used again", [&] { return works(redis, "key"); });
}

TEST(RedisTest, MayBeAwayAtTheStart) {
    support::RedisServer server;
    server.kill();
    Redis redis{options({server.address()})};
    EXPECT_FALSE(works(redis, "key"));
    server.start();
    support::eventually(20s, "Redis to be used", [&] { return works(redis, "key"); });
}

class RedisClusterTest : public testing::Test {
protected:
    static void SetUpTestSuite() { cluster = std::make_unique<support::RedisCluster>(); }
    static void TearDownTestSuite() { cluster.reset(); }
    static std::unique_ptr<support::RedisCluster> cluster;
};
std::unique_ptr<support::RedisCluster> RedisClusterTest::cluster;

TEST_F(RedisClusterTest, IsFoundByAnyOfItsServers) {
    for (const auto& address : cluster->addresses()) {
        Redis redis{options({address})};
        for (int i = 0; i < 50; ++i) {
            const auto key = "key" + std::to_string(i);
            EXPECT_EQ(set_and_get(redis, key, address), address);
        }
        EXPECT_EQ(redis.addresses().size(), 6U);
    }
}

TEST_F(RedisClusterTest, IsFollowedThroughTheMoveOfASlot) {
    const std::string there = "{moving}there", missing = "{moving}missing";
    const int slot = slot_of(there);
    const auto source = cluster->master_of(slot);
    const auto target = cluster->other_master(source);
    const auto set_slot = [&](std::size_t server, const std::string& state, std::size_t other) {
        EXPECT_EQ(cluster->server(server).cli(
                      {"CLUSTER", "SETSLOT", std::to_string(slot), state, cluster->id(other)}),
                  "OK");
    };
    Redis redis{options(cluster->addresses())};
    const Script read{"return redis.call('GET', KEYS[1])"};
    EXPECT_EQ(set_and_get(redis, there, "1"), "1");

    set_slot(target, "IMPORTING", source);
    set_slot(source, "MIGRATING", target);
    EXPECT_EQ(redis.run(there, {"GET", there}).text, "1") << "not moved yet";
    EXPECT_EQ(set_and_get(redis, missing, "2"), "2");
    EXPECT_EQ(redis.eval(read, {missing}, {}).text, "2");
    EXPECT_EQ(cluster->server(source).cli({"EXISTS", there}), "1");
    // The source has it not, and so asked for it elsewhere: that was ASK.
    EXPECT_EQ(cluster->server(target).cli({"CLUSTER", "COUNTKEYSINSLOT", std::to_string(slot)}),
              "1");

    EXPECT_EQ(cluster->server(source).cli({"MIGRATE", "127.0.0.1",
                                           std::to_string(cluster->server(target).port()), "", "0",
                                           "5000", "AUTH", support::redis_password, "KEYS", there}),
              "OK");
    EXPECT_EQ(redis.run(there, {"GET", there}).text, "1") << "moved";

    set_slot(target, "NODE", target);
    set_slot(source, "NODE", target);
    EXPECT_EQ(redis.run(there, {"GET", there}).text, "1") << "the slot has moved";
    EXPECT_EQ(redis.eval(read, {missing}, {}).text, "2");
    EXPECT_EQ(cluster->master_of(slot), target);
    EXPECT_EQ(set_and_get(redis, "elsewhere", "3"), "3");
}

TEST_F(RedisClusterTest, OutlivesAMastersDeathAndTheOldMastersReturn) {
    const std::string key = "{failing}key";
    const auto master = cluster->master_of(slot_of(key));
    std::string other;  // of another master
    for (int i = 0; other.empty(); ++i) {
        const auto candidate = "key" + std::to_string(i);
        if (cluster->master_of(slot_of(candidate)) != master) other = candidate;
    }
    // Told the address of none that lives on but one: the others it must have learnt.
    Redis redis{options({cluster->server(master).address()})};
    EXPECT_TRUE(works(redis, key));
    EXPECT_TRUE(works(redis, other));
    cluster->server(master).kill();
    EXPECT_FALSE(works(redis, key));
    EXPECT_TRUE(works(redis, other)) << "a dead master takes the living ones with it";
    support::eventually(60s, "its replica to be used", [&] { return works(redis, key); });
    support::eventually(60s, "every server to hear of it", [&] {
        const auto successor = cluster->find_master(slot_of(key));
        return successor && successor != master;
    });
    cluster->server(master).start();
    support::eventually(60s, "the old master to follow", [&] {
        return cluster->server(master).cli({"INFO", "replication"}).contains("role:slave");
    });
    EXPECT_TRUE(works(redis, key));
    Redis newcomer{options({cluster->server(master).address()})};
    EXPECT_TRUE(works(newcomer, key));
}

}  // namespace
}  // namespace domain::cache

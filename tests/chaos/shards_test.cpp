// Several shards, several relays: shared out, moved, and changed in number under load.
#include <gtest/gtest.h>

#include <chrono>
#include <csignal>
#include <map>
#include <pqxx/pqxx>
#include <string>
#include <vector>

#include "chaos/stage.hpp"
#include "chaos/writers.hpp"
#include "support/wait.hpp"

namespace chaos {
namespace {

using namespace std::chrono_literals;

class Shards : public testing::Test {
protected:
    support::Process relay(const std::string& name,
                           std::map<std::string, std::string> environment = {}) const {
        environment["POSTROOM_RELAY_HOLDER"] = name;
        return stage_.relay(environment);
    }
    template <typename T>
    T ask(const std::string& sql) const {
        pqxx::connection connection{stage_.database().dsn()};
        return pqxx::nontransaction{connection}.query_value<T>(sql);
    }
    void reshard(int number) const {
        ask<std::string>("select (outbox.reshard(" + std::to_string(number) + ")).action");
    }
    void await_shards(int number) const {
        support::eventually(30s, std::to_string(number) + " shards", [&] {
            return ask<int>("select shards from outbox.lease where shard = 0") == number;
        });
    }
    // Before there are events.
    void begin_with(int number) const {
        reshard(number);
        auto first = relay("first");
        await_shards(number);
        ASSERT_TRUE(stops_gracefully(first)) << first.output();
    }
    int held_by(const std::string& name) const {
        return ask<int>(
            "select count(*) from outbox.lease where expires_at > clock_timestamp() "
            "and shard < shards and holder = '" +
            name + "'");
    }
    void await_held(std::chrono::seconds limit, const std::string& name, int shards) const {
        support::eventually(limit, name + " to hold " + std::to_string(shards),
                            [&] { return held_by(name) == shards; });
    }
    // Of its shards, from now on.
    void await_published_by(const std::string& name, int least) const {
        const auto sql =
            "select coalesce(sum(published), 0)::bigint from outbox.current_position "
            "join outbox.lease using (shard) where holder = '" +
            name + "'";
        const auto before = ask<std::int64_t>(sql);
        support::eventually(30s, name + " to publish",
                            [&] { return ask<std::int64_t>(sql) >= before + least; });
    }
    Verdict drained() const {
        stage_.await_drained();
        return stage_.verdict(journal_);
    }

    Stage stage_;
    Journal journal_;
};

TEST_F(Shards, AreSharedByTwoRelaysAndMoveWithinALeaseWhenOneIsKilled) {
    begin_with(4);
    auto one = relay("one");
    await_held(20s, "one", 4);
    Writers writers{stage_.database(), {.seed = seed()}, journal_};
    auto other = relay("other");
    await_held(20s, "other", 2);  // the first gives up what is too much for it
    await_held(20s, "one", 2);
    await_published_by("one", 200);
    await_published_by("other", 200);
    writers.stop();
    const auto before = drained();
    EXPECT_TRUE(before.sound()) << before;
    EXPECT_EQ(before.repeated, 0U) << before;  // nor does giving up repeat anything

    Writers more{stage_.database(), {.seed = seed() + 1}, journal_};
    await_published_by("one", 100);
    one.signal(SIGKILL);
    ASSERT_TRUE(was_killed(one));
    await_held(4s, "other", 4);  // the lease is a second
    stage_.await_published(stage_.published() + 200);
    more.stop();
    const auto verdict = drained();
    EXPECT_TRUE(verdict.sound()) << verdict;
}

TEST_F(Shards, AreHandedOverAtOnceByARelayThatStopsAndNothingIsRepeated) {
    begin_with(4);
    const std::map<std::string, std::string> long_lease{{"POSTROOM_RELAY_LEASE_MS", "600000"}};
    auto one = relay("one", long_lease);
    await_held(20s, "one", 4);
    auto other = relay("other", long_lease);
    await_held(20s, "other", 2);
    await_held(20s, "one", 2);
    Writers writers{stage_.database(), {.seed = seed()}, journal_};
    await_published_by("one", 100);
    ASSERT_TRUE(stops_gracefully(one)) << one.output();
    await_held(4s, "other", 4);
    stage_.await_published(stage_.published() + 200);
    writers.stop();
    const auto verdict = drained();
    EXPECT_TRUE(verdict.sound()) << verdict;
    EXPECT_EQ(verdict.repeated, 0U) << verdict;
}

TEST_F(Shards, OfAZombieAddNothingToWhatItsSuccessorPublishes) {
    begin_with(4);
    auto zombie = relay("zombie");
    await_held(20s, "zombie", 4);
    auto other = relay("other");
    await_held(20s, "other", 2);
    await_held(20s, "zombie", 2);
    Writers writers{stage_.database(), {.seed = seed()}, journal_};
    await_published_by("zombie", 100);
    zombie.signal(SIGSTOP);
    await_held(10s, "other", 4);  // F
    const auto superseded = journal_.entries();
    stage_.await_published(stage_.published() + 500);
    zombie.signal(SIGCONT);
    await_held(20s, "zombie", 2);  // it takes part again
    await_published_by("zombie", 100);
    writers.stop();
    stage_.await_drained();
    const auto log = stage_.log();
    const Verdict verdict = compare(journal_, log);
    EXPECT_TRUE(verdict.sound()) << verdict;
    EXPECT_EQ(repeated_besides(superseded, log), 0U) << "published by both; " << verdict;
}

class ReshardedWith : public Shards, public testing::WithParamInterface<std::string> {};

// In either mode, while writers and relays go on.
TEST_P(ReshardedWith, NothingLostRepeatedOrOutOfOrder) {
    const std::map<std::string, std::string> delivery{{"POSTROOM_RELAY_DELIVERY", GetParam()}};
    auto one = relay("one", delivery);
    auto other = relay("other", delivery);
    Writers writers{stage_.database(), {.seed = seed(), .longest_hold = 50ms}, journal_};
    // Often, and with many shards: one that publishes beyond a barrier has to be met by chance.
    const std::vector<int> numbers{8, 4, 8, 3, 6, 8, 4, 6, 1, 2};
    for (const int number : numbers) {
        stage_.await_published(stage_.published() + 100);
        reshard(number);
        await_shards(number);
    }
    stage_.await_published(stage_.published() + 150);
    EXPECT_EQ(ask<std::size_t>("select count(*) from outbox.audit where action = 'resharded'"),
              numbers.size());  // F
    writers.stop();
    const auto verdict = drained();
    EXPECT_TRUE(verdict.sound()) << verdict;
    EXPECT_EQ(verdict.repeated, 0U) << verdict;
    EXPECT_EQ(ask<std::int64_t>("select sum(published)::bigint from outbox.current_position"),
              static_cast<std::int64_t>(verdict.committed));
    EXPECT_TRUE(stops_gracefully(one)) << one.output();
    EXPECT_TRUE(stops_gracefully(other)) << other.output();
}

INSTANTIATE_TEST_SUITE_P(Shards, ReshardedWith, testing::Values("at_least_once", "exactly_once"),
                         [](const auto& tested) { return tested.param; });

TEST_F(Shards, ThatAreQuietAreRungWhileAnotherKeepsTheDoorbell) {
    constexpr int number = 8;
    begin_with(number);
    auto only = relay("only", {{"POSTROOM_RELAY_IDLE_MS", "5000"}});
    await_held(20s, "only", number);
    constexpr auto awake_sql =
        "select count(*) from pg_locks where locktype = 'advisory' and classid = 1886352244 and "
        "objid = 0 and mode = 'ExclusiveLock' and granted and "
        "database = (select oid from pg_database where datname = current_database())";
    support::eventually(20s, "all to sleep", [&] { return ask<int>(awake_sql) == 0; });
    Transaction transaction{stage_.writer_dsn(), journal_};
    int prompt = 0;
    for (int shard = 0; shard < number; ++shard) {
        const auto before = stage_.published();
        transaction.begin();
        transaction.append(ask<std::string>(
            "select key from account where outbox.shard_of(key, 8) = " + std::to_string(shard) +
            " limit 1"));
        transaction.commit();
        prompt += support::happens_within(400ms, [&] { return stage_.published() > before; });
        stage_.await_published(before + 1);
        // F: from the first one on, writers do not ring
        support::eventually(10s, "one to be awake", [&] { return ask<int>(awake_sql) == 1; });
    }
    EXPECT_GE(prompt, number - 2) << "shards sleep although writers do not ring";
}

}  // namespace
}  // namespace chaos

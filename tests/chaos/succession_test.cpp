// Faults 4, 5 and 25: the leader is stopped past its lease and continued, its sessions are
// terminated, and the relays' clocks are wrong.
#include <gtest/gtest.h>

#include <chrono>
#include <csignal>
#include <map>
#include <pqxx/pqxx>
#include <sstream>

#include "chaos/stage.hpp"
#include "chaos/writers.hpp"
#include "support/wait.hpp"

namespace chaos {
namespace {

constexpr auto holder_sql = "select coalesce(holder, '') from outbox.lease";
constexpr auto epoch_sql = "select epoch from outbox.lease";
constexpr auto doorbell_sql = R"sql(
    select application_name from pg_locks join pg_stat_activity using (pid)
    where locktype = 'advisory' and classid = 1886352244 and objid = 0 and mode = 'ExclusiveLock'
      and granted and datname = current_database()
)sql";
constexpr auto terminate_sql = R"sql(
    select count(pg_terminate_backend(pid)) from pg_stat_activity
    where datname = current_database() and application_name = (select holder from outbox.lease)
)sql";

// The time stamp of its first line.
std::chrono::sys_seconds clock_of(const support::Process& relay) {
    std::chrono::sys_time<std::chrono::milliseconds> time;
    std::istringstream{relay.output()} >> std::chrono::parse("%FT%TZ", time);
    return std::chrono::floor<std::chrono::seconds>(time);
}

class Succession : public testing::Test {
protected:
    // Its name is its holder's, and each of its sessions'.
    support::Process relay(const std::string& name,
                           std::map<std::string, std::string> environment = {}) const {
        environment["POSTROOM_RELAY_HOLDER"] = name;
        environment["POSTROOM_DATABASE_DSN"] =
            stage_.database().dsn("postroom_relay") + " application_name=" + name;
        return stage_.relay(environment);
    }
    template <typename T>
    T ask(const char* sql) const {
        pqxx::connection connection{stage_.database().dsn()};
        return pqxx::nontransaction{connection}.query_value<T>(sql);
    }
    void await_holder(const std::string& name) const {
        support::eventually(std::chrono::seconds{20}, name + " to take the lease",
                            [&] { return ask<std::string>(holder_sql) == name; });
    }
    // Cuts off whoever has the lease, and waits for the next epoch.
    void terminate_the_holder() const {
        const auto epoch = ask<int>(epoch_sql);
        ASSERT_GE(ask<int>(terminate_sql), 2);  // F: the one that publishes, and the lease's
        support::eventually(std::chrono::seconds{20}, "another epoch",
                            [&] { return ask<int>(epoch_sql) > epoch; });
    }

    void commit_one() {
        Transaction one{stage_.writer_dsn(), journal_};
        one.begin();
        one.append("account-1");
        one.commit();
    }
    // How many of five events, that come one by one while it sleeps, do not wait for its next look.
    int published_at_once(support::Process& relay) {
        constexpr std::chrono::milliseconds asleep{300};  // its next look is due 700 ms later
        constexpr std::chrono::milliseconds at_once{400};
        int prompt = 0;
        for (int event = 0; event < 5; ++event) {
            EXPECT_FALSE(support::happens_within(asleep, [&] { return !relay.running(); }));
            const auto before = stage_.published();
            commit_one();
            prompt += support::happens_within(at_once, [&] { return stage_.published() > before; });
            stage_.await_published(before + 1);
        }
        return prompt;
    }

    Stage stage_;
    Journal journal_;
};

// What the zombie had queued may come once more, behind its successor's: the same window in the
// same order. What was committed after it had been superseded is none of its business. The roster
// would soon tell it to stand by, but promises nothing, and is held up here: the fence alone
// counts.
TEST_F(Succession, AZombieAddsNothingToWhatItsSuccessorPublishes) {
    auto zombie = relay("zombie");
    await_holder("zombie");
    auto successor = relay("successor");
    Writers writers{stage_.database(), {.seed = seed()}, journal_};
    stage_.await_published(300);
    zombie.signal(SIGSTOP);
    await_holder("successor");  // F: the lease ran out under the stopped leader
    const auto superseded = journal_.entries();
    stage_.await_published(stage_.published() + 500);
    pqxx::connection connection{stage_.database().dsn()};
    pqxx::work no_roster{connection};
    no_roster.exec("lock table outbox.relay").no_rows();
    zombie.signal(SIGCONT);
    EXPECT_TRUE(support::happens_within(std::chrono::seconds{5},
                                        [&] { return zombie.output().contains("standing by"); }))
        << "the zombie has noticed nothing: " << zombie.output();
    EXPECT_FALSE(zombie.output().contains("giving shard")) << zombie.output();  // F
    stage_.await_published(stage_.published() + 500);
    no_roster.abort();
    writers.stop();
    stage_.await_drained();

    const auto log = stage_.log();
    const Verdict verdict = compare(journal_, log);
    EXPECT_TRUE(verdict.sound()) << verdict;
    EXPECT_EQ(repeated_besides(superseded, log), 0U) << "published by both; " << verdict;
}

TEST_F(Succession, TerminatedSessionsOfTheLeaderLoseNothingAndKeepTheOrder) {
    auto first = relay("first");
    auto second = relay("second");
    Writers writers{stage_.database(), {.seed = seed()}, journal_};
    for (int round = 0; round < 5; ++round) {
        stage_.await_published(stage_.published() + 200);
        terminate_the_holder();
    }
    writers.stop();
    stage_.await_drained();
    const Verdict verdict = stage_.verdict(journal_);
    EXPECT_TRUE(verdict.sound()) << verdict;
    EXPECT_TRUE(stops_gracefully(first)) << first.output();
    EXPECT_TRUE(stops_gracefully(second)) << second.output();
}

// The lease outlives a session, but the doorbell does not: it is a lock and a LISTEN.
TEST_F(Succession, ARelayWhoseSessionsWereTerminatedIsRungAgain) {
    auto only = relay("only", {{"POSTROOM_RELAY_IDLE_MS", "0"}});
    await_holder("only");
    terminate_the_holder();
    EXPECT_GE(published_at_once(only), 3) << "nobody rings a relay whose session was terminated";
}

// Its session may live on for hours, with the lock that tells writers not to ring.
TEST_F(Succession, AZombieThatHoldsTheDoorbellDelaysNothing) {
    auto zombie = relay("zombie", {{"POSTROOM_RELAY_IDLE_MS", "60000"}});
    await_holder("zombie");
    commit_one();
    stage_.await_published(1);
    zombie.signal(SIGSTOP);
    auto successor = relay("successor", {{"POSTROOM_RELAY_IDLE_MS", "0"}});
    await_holder("successor");
    EXPECT_GE(published_at_once(successor), 3) << "a zombie's lock delays what its successor does";
    EXPECT_EQ(ask<std::string>(doorbell_sql), "zombie");  // F
    stage_.await_drained();
    const Verdict verdict = stage_.verdict(journal_);
    EXPECT_TRUE(verdict.sound()) << verdict;
}

TEST_F(Succession, ClocksAnHourOffMoveNoLease) {
    const auto off_by = [](const std::string& seconds) {
        return std::map<std::string, std::string>{
            {"LD_PRELOAD", support::bin("libshifted_clock.so")},
            {"POSTROOM_CLOCK_SHIFT_S", seconds}};
    };
    auto behind = relay("behind", off_by("-3600"));
    await_holder("behind");
    auto ahead = relay("ahead", off_by("3600"));
    Writers writers{stage_.database(), {.seed = seed()}, journal_};
    EXPECT_FALSE(support::happens_within(std::chrono::seconds{4}, [&] {
        return ask<std::string>(holder_sql) != "behind";
    })) << "the lease changed hands while its holder lived";
    behind.signal(SIGKILL);
    await_holder("ahead");
    writers.stop();
    stage_.await_drained();
    const Verdict verdict = stage_.verdict(journal_);
    EXPECT_TRUE(verdict.sound()) << verdict;
    EXPECT_TRUE(stops_gracefully(ahead)) << ahead.output();
    EXPECT_GT(clock_of(ahead) - clock_of(behind), std::chrono::minutes{119});  // F
}

}  // namespace
}  // namespace chaos

// Faults 13 and 14: the primary is killed, and a physical standby takes its place: one that had all
// that was acknowledged, and one that lagged.
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <algorithm>
#include <csignal>
#include <map>
#include <nlohmann/json.hpp>
#include <pqxx/pqxx>
#include <set>

#include "chaos/delivery.hpp"
#include "chaos/effects.hpp"
#include "chaos/rebase_report.hpp"
#include "chaos/stage.hpp"
#include "chaos/writers.hpp"
#include "faults.hpp"
#include "support/postgres_server.hpp"
#include "support/wait.hpp"

namespace chaos {
namespace {

using namespace std::chrono_literals;

constexpr auto reused_sql =
    "select count(*) from outbox.event where tx >= $1::text::xid8 and seq <= $2";

using Settings = std::map<std::string, std::string>;

class Failover : public testing::Test {
protected:
    explicit Failover(const Settings& primary = {}, const Settings& standby = {})
        : primary_{primary}, standby_{primary_, standby} {}

    // Whoever waits for the standby waits from now on; whoever does not, goes on.
    bool goes_on_without_the_standby(std::size_t commits, std::chrono::milliseconds limit) {
        standby_.stop_following();
        const auto before = committed();
        return support::happens_within(limit, [&] { return committed() > before + commits; });
    }
    // The writers follow by themselves; the relay asks first.
    // From which transaction on.
    std::string fail_over(support::Process& relay) {
        primary_.kill();
        standby_.promote();
        const auto promoted_at =
            one<std::string>("select pg_snapshot_xmax(pg_current_snapshot())::text");
        relay.signal(SIGCONT);
        EXPECT_EQ(WEXITSTATUS(relay.wait(30s)), 1) << "a standby passes for its primary";
        EXPECT_TRUE(relay.output().contains("'" + lower() + "' goes on from the position"))
            << relay.output();
        return promoted_at;
    }
    std::string lower() const {
        return one<std::string>("select lower from outbox.current_position");
    }
    nlohmann::json rebase(const std::string& how) const {
        support::Process command{
            {.argv = {support::bin("postroom"), "rebase", "--shard", "0", "--from", lower(), how,
                      "-o", "json"},
             .env = {{"POSTROOM_DSN", stage_.database().dsn("postroom_operator")}}}};
        EXPECT_EQ(command.wait(30s), 0) << command.output();
        return nlohmann::json::parse(command.output());
    }
    template <typename T>
    T one(const char* sql, const pqxx::params& parameters = {}) const {
        pqxx::connection connection{stage_.database().dsn()};
        return pqxx::nontransaction{connection}.query_value<T>(sql, parameters);
    }
    // Lost is what was acknowledged and is neither here nor in the log, and nothing else; whatever
    // is in the log takes effect once.
    void expect_exact_loss() const {
        std::set<std::string> here, in_log;
        pqxx::connection connection{stage_.database().dsn()};
        for (const auto& [id] : pqxx::nontransaction{connection}.query<std::string>(
                 "select id::text from outbox.event"))
            here.insert(id);
        for (const auto& record : stage_.log()) in_log.insert(record.headers.at("id"));
        const auto entries = journal_.entries();
        const auto lost = std::ranges::count_if(entries, [&](const auto& entry) {
            return entry.second.outcome == Outcome::committed && !here.contains(entry.first) &&
                   !in_log.contains(entry.first);
        });
        const Verdict verdict = stage_.verdict(journal_);
        EXPECT_GT(lost, 0) << verdict;  // F
        EXPECT_GT(std::ranges::count_if(in_log, [&](const auto& id) { return !here.contains(id); }),
                  0);  // F
        EXPECT_EQ(verdict.lost, lost) << verdict;
        EXPECT_EQ(verdict.undead + verdict.strangers, 0U) << verdict;

        const Effects effects{Stage::accounts};
        auto consumer = effects.consumer(stage_.topic(), support::unique_name("group"));
        const auto published = static_cast<std::int64_t>(in_log.size());
        support::happens_within(20s, [&] { return effects.applied() >= published; });
        EXPECT_TRUE(stops_gracefully(consumer)) << consumer.output();
        const EffectVerdict effect = effects.verdict(journal_);
        EXPECT_EQ(effect.missing, lost) << "an id that was given again hides an event: " << effect;
        EXPECT_EQ(effect.twice + effect.undead, 0U) << effect;
        EXPECT_EQ(effect.changes, published) << effect;
    }
    std::size_t committed() const { return journal_.count(Outcome::committed); }

    support::PostgresServer primary_, standby_;
    Stage stage_{support::kafka(), 1, {}, support::failover_conninfo(primary_, standby_)};
    Journal journal_;
};

class WaitedForStandby : public InEitherMode<Failover> {};

TEST_P(WaitedForStandby, LosesNothingAndKeepsTheOrderWhenItTakesOver) {
    primary_.set("synchronous_standby_names", faults::mutant("asynchronous") ? "" : "*");
    auto relay = stage_.relay(delivery());
    Writers writers{stage_.database(), {.seed = seed(), .reconnects = true}, journal_};
    stage_.await_published(500);
    EXPECT_FALSE(goes_on_without_the_standby(20, 1s))
        << "commits do not wait for the standby";  // F
    fail_over(relay);
    const auto before = committed();
    support::eventually(30s, "commits on the new primary",
                        [&] { return committed() > before + 300; });
    writers.stop();
    rebase("--yes");
    auto successor = stage_.relay(delivery());
    stage_.await_drained();
    EXPECT_TRUE(stops_gracefully(successor)) << successor.output();
    // What is repeated goes by the position that the standby has, in either mode.
    const Verdict verdict = stage_.verdict(journal_);
    EXPECT_TRUE(verdict.sound()) << verdict;
}

INSTANTIATE_TEST_SUITE_P(Delivery, WaitedForStandby, modes, mode_name);

// A commit that waits for no standby is seen before one has it.
TEST_F(Failover, TakesNothingBackThatIsPublishedThoughItsWriterDidNotWait) {
    const auto append = [this](const std::string& synchronous_commit) {
        pqxx::connection connection{stage_.database().dsn()};
        pqxx::work tx{connection};
        tx.exec("set local synchronous_commit = " + synchronous_commit);
        tx.exec("select outbox.append('account', 'a', 'Happened', '{}')");
        tx.commit();
    };
    primary_.set("synchronous_standby_names", "*");
    auto relay = stage_.relay();
    append("on");
    support::eventually(30s, "an event", [&] { return stage_.log().size() == 1; });
    standby_.stop_following();
    append("local");
    EXPECT_FALSE(support::happens_within(3s, [&] { return stage_.log().size() == 2; }))
        << "published what the standby lacks";
    primary_.set("synchronous_standby_names", "");
    support::eventually(30s, "another", [&] { return stage_.log().size() == 2; });
    EXPECT_TRUE(stops_gracefully(relay)) << relay.output();
}

// What the standby never had is gone, whatever the relay does; of what it had, nothing is. Its rows
// go by numbers that the dead primary had given to other events, some of which are published.
TEST_F(Failover, ToAStandbyThatLaggedLosesWhatItLackedAndRepeatsNoEffect) {
    auto relay = stage_.relay();
    Writers writers{stage_.database(), {.seed = seed(), .reconnects = true}, journal_};
    stage_.await_published(300);
    ASSERT_TRUE(goes_on_without_the_standby(200, 30s));
    relay.signal(SIGSTOP);
    const auto published = committed();
    support::eventually(30s, "unpublished commits", [&] { return committed() > published + 100; });
    const auto newest = one<std::int64_t>("select max(seq) from outbox.event");
    const auto promoted_at = fail_over(relay);
    const auto reused = [&] {
        return one<std::int64_t>(reused_sql, pqxx::params{promoted_at, std::to_string(newest)});
    };
    support::eventually(30s, "ids to be given again", [&] { return reused() > 100; });  // F
    writers.stop();
    EXPECT_EQ(rebase("--dry-run")[0]["to_publish"], stage_.pending());
    const auto here = ids_here(stage_.database().dsn()), log = ids_in_log(stage_);
    const auto report = report_rebase(stage_, stage_.database().dsn("postroom_operator"), lower());
    EXPECT_EQ(report["missing"], minus(log, here));
    EXPECT_EQ(report["skipped"], Ids{});
    rebase("--yes");
    auto successor = stage_.relay();
    stage_.await_drained();
    EXPECT_TRUE(stops_gracefully(successor)) << successor.output();
    EXPECT_EQ(ids_in_log(stage_, 2), report["repeated"]);
    expect_exact_loss();
}

// The standby has the slot as well, and nothing is decoded that the standby lacks. Its timeline is
// another one, so the relay asks as ever; then it goes on by the table, and makes the slot anew.
class SlotFailover : public Failover {
protected:
    SlotFailover()
        : Failover{{{"wal_level", "logical"}, {"synchronized_standby_slots", "standby"}},
                   {{"wal_level", "logical"},
                    {"sync_replication_slots", "on"},
                    {"hot_standby_feedback", "on"}}} {}
};

TEST_F(SlotFailover, OfALogicalSourceLosesNothingAndKeepsTheOrder) {
    constexpr auto slot_sql =
        "select coalesce(max(confirmed_flush_lsn), '0/0') from pg_replication_slots "
        "where failover and synced and not temporary and invalidation_reason is null";
    const std::map<std::string, std::string> logical{{"POSTROOM_RELAY_SOURCE", "logical"}};
    primary_.set("synchronous_standby_names", "*");
    auto relay = stage_.relay(logical);
    Writers writers{stage_.database(), {.seed = seed(), .reconnects = true}, journal_};
    stage_.await_published(500);
    support::eventually(60s, "the slot on the standby", [&] {  // F
        pqxx::connection standby{standby_.conninfo() + " dbname=postgres"};
        return pqxx::nontransaction{standby}.query_value<std::string>(slot_sql) != "0/0";
    });
    fail_over(relay);
    const auto before = committed();
    support::eventually(30s, "commits on the new primary",
                        [&] { return committed() > before + 300; });
    writers.stop();
    rebase("--yes");
    auto successor = stage_.relay(logical);
    stage_.await_drained();
    support::eventually(30s, "the new slot", [&] {
        return one<bool>("select lsn is not null from outbox.current_position");
    });
    EXPECT_TRUE(stops_gracefully(successor)) << successor.output();
    const Verdict verdict = stage_.verdict(journal_);
    EXPECT_TRUE(verdict.sound()) << verdict;
}

}  // namespace
}  // namespace chaos

// Another number of shards while something is under way that belongs to a shard: what waits for its
// time, for its turn or for an operator goes on in the shard that its key has come to.
#include <numeric>
#include <thread>

#include "integration/operate_fixture.hpp"

namespace integration {

class Reshard : public Operator {
protected:
    void run(const std::string& sql) {
        pqxx::connection owner{database_.dsn()};
        pqxx::nontransaction{owner}.exec(sql);
    }
    void request(int shards) { do_it({"shards", std::to_string(shards)}); }
    void await_shards(int shards) {
        support::eventually(30s, std::to_string(shards) + " shards", [&] {
            return query<int>("select shards from outbox.lease where shard = 0") == shards &&
                   query<int>(
                       "select count(*) from outbox.lease where shard < shards and "
                       "expires_at > clock_timestamp()") == shards;
        });
    }
    void reshard(int shards) {
        request(shards);
        await_shards(shards);
    }
    void append_to_each(const std::string& type, const std::string& more = "null") {
        run("insert into outbox.event (aggregatetype, aggregateid, type, payload, available_at) "
            "select '" +
            aggregate_ + "', 'k' || n, '" + type + "', '{}', " + more +
            " from generate_series(1, " + std::to_string(keys) + ") n");
    }
    // The types of each key's records, in the order of the log.
    std::map<std::string, std::vector<std::string>> by_key() const {
        std::map<std::string, std::vector<std::string>> all;
        for (const auto& record : log())
            all[record.key.value()].push_back(record.headers.at("type"));
        return all;
    }
    void expect_each(const std::vector<std::string>& expected) const {
        const auto all = by_key();
        EXPECT_EQ(all.size(), static_cast<std::size_t>(keys));
        for (const auto& [key, types] : all) EXPECT_EQ(types, expected) << key;
    }
    // Of what belongs to a shard, nothing is left with one that its key does not belong to.
    void expect_in_their_shards(const std::string& table) {
        EXPECT_EQ(
            query<int>("select count(*) from outbox." + table +
                       " d join outbox.event e using (seq) join outbox.lease l on l.shard = 0 "
                       "where d.shard <> outbox.shard_of(e.aggregateid, l.shards)"),
            0);
    }
    // A rebase of shard 2 gives a change up that is under way; another one comes before its relay
    // has begun anew.
    void change_after_rebase(const std::string& delivery) {
        const auto process = start({"--relay-delivery", delivery});
        reshard(4);
        append_to_each("Happened");
        await_count(0, "outbox.pending");
        do_it({"pause", "--reason", "to have a rebase and a change meet"});
        request(3);
        do_it({"rebase", "--shard", "2", "--from", "all", "--yes"});
        EXPECT_EQ(query<int>("select count(*) from outbox.resharding"), 0);
        request(2);
        do_it({"resume"});
        await_shards(2);
        await_count(0, "outbox.pending");
        std::size_t repeated = 0;
        for (const auto& [key, types] : by_key()) {
            const bool of_it = query<int>("select outbox.shard_of('" + key + "', 4)") == 2;
            repeated += of_it ? 1 : 0;
            EXPECT_EQ(types.size(), of_it ? 2U : 1U) << key;
        }
        EXPECT_GT(repeated, 0U);  // F
    }

    static constexpr int keys = 12;
};

TEST_F(Reshard, LeavesDelayedEventsTheirTimeAndPublishesEachOnce) {
    support::create_topic(topic_, 3);
    const auto process = start();
    append_to_each("Delayed", "now() + interval '1 hour'");
    await_count(keys, "outbox.delayed");
    for (const int shards : {4, 3}) {
        reshard(shards);
        expect_in_their_shards("delayed");
    }
    append_to_each("Later", "now() + interval '1 hour'");
    await_count(2 * keys, "outbox.delayed");
    reshard(2);
    EXPECT_EQ(log().size(), 0U);
    run("update outbox.delayed set due_at = clock_timestamp() + make_interval(secs => seq / 1e3)");
    await_count(0, "outbox.delayed");
    expect_each({"Delayed", "Later"});
}

TEST_F(Reshard, KeepsAKeyWaitingBehindItsDeadLetterAndInOrder) {
    const auto process = start_strict();
    append_to_each("Refused");
    await_count(keys, "outbox.dead where behind is null");
    append_to_each("Second");
    await_count(2 * keys, "outbox.dead");
    reshard(4);
    expect_in_their_shards("dead_letter");
    append_to_each("Third");
    await_count(3 * keys, "outbox.dead");
    support::create_topic(topic_, 3);
    do_it({"pause", "--reason", "to have a retry and a change meet"});
    query<int>(
        "select count(*) from (select outbox.retry_dead(event_id) from outbox.dead "
        "where behind is null) retried");
    request(3);
    append_to_each("Fourth");
    do_it({"resume"});
    await_shards(3);
    await_count(0, "outbox.dead");
    await_count(0, "outbox.pending");
    expect_each({"Refused", "Second", "Third", "Fourth"});
    EXPECT_EQ(query<int>("select count(*) from outbox.retry"), 0);
}

TEST_F(Reshard, LetsAReplayThatIsUnderWayPublishTheRestOnceAndInOrder) {
    const auto process = start();
    reshard(4);
    for (int n = 1; n <= 20; ++n) append_to_each("N" + std::to_string(n));
    await_count(0, "outbox.pending");
    const auto elsewhere = support::unique_name("rebuilt");
    query<int>("select count(*) from outbox.start_replay(topic => '" + elsewhere +
               "', rate => 20)");
    for (const int shards : {2, 3, 1}) {
        const auto done = query<int>("select sum(done) from outbox.replay");
        support::eventually(30s, "the replay to go on", [&] {
            return query<int>("select sum(done) from outbox.replay") > done;
        });
        reshard(shards);
    }
    EXPECT_GE(query<int>("select count(*) from outbox.replay where state = 'running'"), 1);  // F
    run("update outbox.replay set rate = 1000000");
    await_count(0, "outbox.replay where state <> 'done'");
    std::map<std::string, std::vector<int>> all;
    for (const auto& record : support::read_topic(elsewhere))
        all[record.key.value()].push_back(std::stoi(record.headers.at("type").substr(1)));
    EXPECT_EQ(all.size(), static_cast<std::size_t>(keys));
    std::vector<int> expected(20);
    std::iota(expected.begin(), expected.end(), 1);
    for (const auto& [key, numbers] : all) EXPECT_EQ(numbers, expected) << key;
}

TEST_F(Reshard, WaitsForAPausedShardAndLeavesNonePaused) {
    const auto process = start();
    reshard(4);
    do_it({"pause", "--shard", "3", "--reason", "to look"});
    append_to_each("Waiting", "null");
    append_to_each("Delayed", "now()");
    request(2);
    support::eventually(30s, "the others to have arrived", [&] {
        return query<int>("select count(*) from outbox.lease where arrived = epoch") == 3;
    });
    EXPECT_THAT(postroom({"explain"}).text, testing::HasSubstr("waits for this shard, which is"));
    EXPECT_EQ(query<int>("select shards from outbox.lease where shard = 0"), 4);
    do_it({"resume", "--shard", "3"});
    await_shards(2);
    await_count(0, "outbox.pending");
    expect_each({"Waiting", "Delayed"});
    EXPECT_EQ(query<int>("select count(*) from outbox.paused"), 0);
}

TEST_F(Reshard, AfterARebaseRepeatsWhatThatWantsAndNoMore) { change_after_rebase("at_least_once"); }

TEST_F(Reshard, AfterARebaseRepeatsNoMoreByExactlyOnceEither) {
    change_after_rebase("exactly_once");
}

// A relay that is stopped at a barrier tells nothing of the next one.
TEST_F(Reshard, CountsNoArrivalAtABarrierThatWasGivenUp) {
    auto process = start();
    reshard(2);
    stop(process);
    const auto of = [&](const std::string& shard) {
        return start({"--relay-shards", shard, "--relay-lease-ms", "600000"});
    };
    auto first = of("0");
    const auto second = of("1");
    await_shards(2);
    do_it({"pause", "--shard", "1", "--reason", "to hold the change up"});
    request(4);
    support::eventually(30s, "the first to have arrived", [&] {
        return query<bool>(
            "select arrived is not distinct from epoch from outbox.lease where shard = 0");
    });
    first.signal(SIGSTOP);
    request(2);
    append_to_each("Between");
    do_it({"resume", "--shard", "1"});
    await_count(0, "outbox.paused");
    request(3);
    support::eventually(30s, "the second to have arrived, or the change to be made", [&] {
        return query<bool>(
            "select arrived is not distinct from epoch or shards = 3 from outbox.lease "
            "where shard = 1");
    });
    first.signal(SIGCONT);
    const auto others = of("2");
    await_shards(3);
    await_count(0, "outbox.pending");
    expect_each({"Between"});
}

// As the last relay to arrive does it; what is asked for meanwhile is asked of the new shards.
TEST_F(Reshard, TakesWhatIsAskedForAtTheMomentOfTheChangeAlong) {
    auto process = start();
    reshard(4);
    append_to_each("Happened");
    await_count(0, "outbox.pending");
    stop(process);
    pqxx::connection connection{database_.dsn()};
    pqxx::work change{connection};
    change.exec(
        "insert into outbox.resharding (shards, barrier, barrier_floor) "
        "values (2, pg_current_snapshot(), 0)");
    change.exec("select from outbox.lease order by shard for update");
    change.exec("select outbox.begin_shards(r) from outbox.resharding r");
    {
        const std::jthread replay{
            [&] { query<int>("select count(*) from outbox.start_replay(rate => 1000000)"); }};
        const std::jthread pause{[&] { do_it({"pause", "--reason", "to look"}); }};
        support::eventually(30s, "both to wait for the change", [&] {
            return query<int>(
                       "select count(*) from pg_stat_activity where wait_event_type = 'Lock' "
                       "and datname = current_database()") == 2;
        });
        change.commit();
    }
    EXPECT_EQ(query<int>("select max(shard) from outbox.replay"), 1);
    EXPECT_EQ(query<int>("select max(shard) from outbox.paused"), 1);
    do_it({"resume"});
    const auto again = start();
    await_count(0, "outbox.replay where state <> 'done'");
    expect_each({"Happened", "Happened"});
}

}  // namespace integration

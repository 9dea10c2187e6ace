// Delayed events: published when they are due, in that order, and holding nobody up.
#include "integration/operate_fixture.hpp"

namespace integration {

class Delayed : public Operator {
protected:
    // Appends as a service does; the time is SQL.
    std::string delay(const std::string& key, const std::string& type, const std::string& until) {
        pqxx::connection connection{database_.dsn("postroom_service")};
        pqxx::work tx{connection};
        auto id = tx.query_value<std::string>("select outbox.append('" + aggregate_ + "', '" + key +
                                              "', '" + type + "', available_at => " + until + ")");
        tx.commit();
        return id;
    }
    void run(const std::string& sql) {
        pqxx::connection owner{database_.dsn()};
        pqxx::nontransaction{owner}.exec(sql).no_rows();
    }
    void await_types(const std::vector<std::string>& expected) {
        support::eventually(30s, "the events to be in the log",
                            [&] { return types().size() >= expected.size(); });
        EXPECT_EQ(types(), expected);
    }
    int delayed() { return query<int>("select count(*) from outbox.delayed_event"); }
};

TEST_F(Delayed, IsPublishedInTheOrderOfDueTimesAndHoldsNobodyUp) {
    delay("k", "SecondDue", "now() - interval '1 second'");
    delay("k", "FirstDue", "now() - interval '1 minute'");
    append("k", "AtOnce");
    delay("k", "ThirdDue", "now()");
    EXPECT_EQ(query<int>("select count(*) from outbox.pending"), 4);
    EXPECT_EQ(delayed(), 3);
    run_until_drained();
    EXPECT_EQ(types(), (std::vector<std::string>{"AtOnce", "FirstDue", "SecondDue", "ThirdDue"}));
    EXPECT_EQ(delayed(), 0);
    EXPECT_EQ(query<int>("select count(*) from outbox.pending"), 0);
    EXPECT_EQ(query<int>("select count(*) from outbox.published"), 4);
    EXPECT_EQ(query<int>("select published from outbox.current_position"), 4);
    EXPECT_EQ(query<int>("select count(*) from outbox.delayed"), 0);
}

TEST_F(Delayed, IsNeitherLateNorLagBeforeItsTime) {
    const auto id = delay("k", "Later", "now() + interval '1 hour'");
    EXPECT_EQ(rows({"delayed"})[0]["id"], id);
    EXPECT_EQ(query<int>("select pending from outbox.lag"), 0);
    append("k", "AtOnce");
    run_until_drained();
    EXPECT_EQ(types(), std::vector<std::string>{"AtOnce"});
    EXPECT_EQ(rows({"delayed"})[0]["id"], id);
    EXPECT_EQ(rows({"show", id})[0]["state"], "delayed");
    EXPECT_EQ(query<int>("select pending from outbox.lag"), 0);
    EXPECT_EQ(query<int>("select count(*) from outbox.published"), 1);
}

TEST_F(Delayed, WakesASleepingRelayAndNotBeforeItIsDue) {
    support::create_topic(topic_, 1);
    const auto process = start({"--relay-idle-ms", "0"});
    append("k", "AtOnce");
    await_types({"AtOnce"});
    delay("k", "Soon", "clock_timestamp() + interval '2 seconds'");
    support::eventually(30s, "the delayed event to be in the log", [&] {
        const bool early = query<bool>(
            "select clock_timestamp() < available_at from outbox.event where type = 'Soon'");
        const bool there = types().size() == 2;
        // Looked at before the log was, so it was still too early then.
        EXPECT_FALSE(early && there &&
                     query<bool>("select clock_timestamp() < available_at from outbox.event "
                                 "where type = 'Soon'"));
        return there;
    });
    await_count(0, "outbox.delayed");
}

TEST_F(Delayed, FillsWindowsAndTurnsOfItsOwn) {
    run("insert into outbox.event (aggregatetype, aggregateid, type, available_at) select '" +
        aggregate_ +
        "', 'k', 'D' || n, now() - make_interval(secs => n) from generate_series(1, 3000) n");
    append("k", "AtOnce");
    run_until_drained({"--relay-window-rows", "100"});  // so that it is walked in chunks
    std::vector<std::string> expected{"AtOnce"};
    for (int n = 3000; n >= 1; --n) expected.push_back("D" + std::to_string(n));
    EXPECT_EQ(types(), expected);
}

TEST_F(Delayed, WaitsBehindADeadLetterOfItsKey) {
    const auto process = start_strict();
    const auto dead = append("k", "Refused");
    await_count(1, "outbox.dead");
    delay("k", "Due", "now()");
    await_count(2, "outbox.dead");
    EXPECT_EQ(delayed(), 0);
    support::create_topic(topic_, 1);
    do_it({"dead", "retry", dead});
    await_types({"Refused", "Due"});
}

TEST_F(Delayed, IsDeadWhenKafkaRefusesItAndCanBeRetried) {
    const auto process = start_strict();
    const auto id = delay("k", "Due", "now()");
    await_count(1, "outbox.dead where behind is null");
    EXPECT_EQ(delayed(), 0);
    support::create_topic(topic_, 1);
    do_it({"dead", "retry", id});
    await_types({"Due"});
}

TEST_F(Delayed, IsRepeatedRatherThanLostByACrashAfterKafkaTookIt) {
    delay("k", "Due", "now()");
    auto crashing = start({}, {{"POSTROOM_CRASH_AT", "after_errand"}});
    const int status = crashing.wait(30s);
    ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) << crashing.output();
    run_until_drained();
    EXPECT_EQ(types(), (std::vector<std::string>{"Due", "Due"}));
    EXPECT_EQ(delayed(), 0);
}

// Its position is in Kafka before it is in the database.
TEST_F(Delayed, IsNotLostByExactlyOnceEither) {
    append("k", "AtOnce");
    delay("k", "Due", "now()");
    auto crashing =
        start({"--relay-delivery", "exactly_once"}, {{"POSTROOM_CRASH_AT", "after_commit"}});
    const int status = crashing.wait(30s);
    ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) << crashing.output();
    run_until_drained({"--relay-delivery", "exactly_once"});
    EXPECT_EQ(types(), (std::vector<std::string>{"AtOnce", "Due"}));
}

TEST_F(Delayed, StaysNotedWhenThePositionIsMoved) {
    delay("k", "Noted", "now() + interval '1 hour'");
    run_until_drained();
    delay("k", "NotNoted", "now() + interval '1 hour'");
    do_it({"rebase", "--shard", "0", "--from", "now", "--yes"});
    run_until_drained();
    run("update outbox.delayed set due_at = now()");
    run_until_drained();
    EXPECT_EQ(types(), std::vector<std::string>{"Noted"});
    do_it({"rebase", "--shard", "0", "--from", "all", "--yes"});
    run_until_drained();
    EXPECT_EQ(delayed(), 2) << "a history that is repeated repeats its delays";
}

}  // namespace integration

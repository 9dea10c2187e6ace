// What the logical source does beyond the suite of both.
#include "integration/logical_fixture.hpp"
#include "support/postgres_server.hpp"

namespace integration {

TEST_F(LogicalSource, BeginsWithWhatWasThereBeforeItsSlot) {
    append("k", "Before");
    drain();
    append("k", "After");
    drain();
    EXPECT_EQ(types(), (Types{"Before", "After"}));
}

TEST_F(LogicalSource, GivesTheSameBytesAsTheTable) {
    drain();
    query<std::string>(
        "insert into outbox.event (aggregatetype, aggregateid, type, payload, body, content_type, "
        "headers) "
        "select '" +
        aggregate_ +
        "', k, 'T', payload::jsonb, body::bytea, content_type, headers::jsonb from (values "
        "('json', '{\"für\": \"5 €\", \"n\": 1.50, \"a\": [1, null]}', null, null, null),"
        "('bytes', null, '\\x00ff0a', null, null),"
        "('typed', null, '\\x', 'application/x-protobuf', null),"
        "('json null', 'null', null, null, '{}'),"
        "('tombstone', null, null, null, '{\"traceparent\": \"00-1\", \"ü\": \"€\"}'),"
        "('large', '\"' || repeat('x', 300000) || '\"', null, 'text/x', null)) "
        "v (k, payload, body, content_type, headers); select ''");
    drain();
    query<std::string>("select (outbox.rebase(0, '1:1:')).shard::text");
    run_until_drained({"--kafka-topic", "table.{aggregatetype}", "--kafka-partitions", "1"});
    const auto by_slot = log(), by_table = support::read_topic("table." + aggregate_);
    ASSERT_EQ(by_slot.size(), 6U);
    ASSERT_EQ(by_table.size(), 6U);
    for (std::size_t i = 0; i < by_slot.size(); ++i) {
        EXPECT_EQ(by_slot[i].key, by_table[i].key);
        EXPECT_EQ(by_slot[i].value, by_table[i].value);
        EXPECT_EQ(by_slot[i].headers, by_table[i].headers);
    }
}

TEST_F(LogicalSource, HoldsNoWalBackWhileTheOutboxIsIdle) {
    auto process = relay();
    support::eventually(20s, "the slot", [&] {
        return query<int>(
                   "select count(*) from pg_replication_slots "
                   "where database = current_database() and active and failover") == 1;
    });
    const auto written = write_elsewhere();
    support::eventually(30s, "the slot to follow", [&] { return has_passed(written); });
    stop(process);
    EXPECT_LT(query<int>("select count(*) from outbox.position"), 100);
}

TEST_F(LogicalSource, HoldsNoWalBackWhileItIsPausedAndThereIsNoEvent) {
    drain();
    pause();
    auto process = relay();
    await_paused(process);
    const auto written = write_elsewhere();
    EXPECT_TRUE(support::happens_within(30s, [&] { return has_passed(written); }))
        << "a pause holds WAL back that has no event";
    append("k", "First");
    resume();
    await_published(1);
    stop(process);
    EXPECT_EQ(types(), Types{"First"});
}

TEST_F(LogicalSource, KeepsWhatAPauseHoldsUpThroughAKill) {
    drain();
    pause();
    {
        auto killed = relay();
        await_paused(killed);
        append("k", "First");
        append("k", "Second");
        const auto appended = query<std::string>("select pg_current_wal_insert_lsn()::text");
        const auto written = write_elsewhere();
        support::eventually(30s, "the events to be sent", [&] {
            return query<bool>("select coalesce(bool_or(sent_lsn >= '" + appended +
                               "'), false) from pg_stat_replication join pg_replication_slots "
                               "on pid = active_pid where database = current_database()");
        });
        EXPECT_FALSE(has_passed(written));
        killed.signal(SIGKILL);
    }
    auto process = relay();
    await_paused(process);
    append("k", "Third");
    resume();
    await_published(3);
    stop(process);
    EXPECT_EQ(types(), (Types{"First", "Second", "Third"}));
}

TEST_F(LogicalSource, RefusesASlotThatIsGone) {
    append("k", "First");
    {
        auto process = relay();
        support::eventually(20s, "the slot to be read", [&] {
            return query<int>(
                       "select count(*) from pg_replication_slots join outbox.lease "
                       "on slot_name = slot where active") == 1 &&
                   query<bool>("select lsn is not null from outbox.current_position") &&
                   explained().empty();
        });
        stop(process);
    }
    drain();
    EXPECT_TRUE(explained().starts_with("warning: nobody has read slot " + slot())) << explained();
    drop_slot();
    EXPECT_TRUE(explained().starts_with("problem: slot postroom_")) << explained();
    EXPECT_TRUE(explained().contains("rebase --shard 0 --from recorded")) << explained();
    append("k", "Second");
    EXPECT_NE(refusal().find("postroom rebase --shard 0 --from recorded"), std::string::npos);
    EXPECT_EQ(types(), Types{"First"});
}

TEST_F(LogicalSource, RefusesASlotThatWasMadeAgainAndGoesOnWithoutLossOnceRebased) {
    append("k", "First");
    drain();
    const auto name = slot();
    drop_slot();
    append("k", "InTheGap");
    query<std::string>("select lsn::text from pg_create_logical_replication_slot('" + name +
                       "', 'pgoutput')");
    append("k", "Second");
    EXPECT_NE(refusal().find("begins after the position"), std::string::npos);
    EXPECT_EQ(types(), Types{"First"});
    rebase_to_recorded(database_);
    drain();
    EXPECT_EQ(types(), (Types{"First", "InTheGap", "Second"}));
}

TEST_F(LogicalSource, IsNotLeftForTheTableWithoutAWord) {
    append("k", "First");
    drain();
    auto refused = start();
    EXPECT_EQ(WEXITSTATUS(refused.wait(30s)), 1) << refused.output();
    EXPECT_NE(refused.output().find("--from recorded"), std::string::npos) << refused.output();
    query<std::string>(
        "select (outbox.rebase(0, (select lower from outbox.current_position))).shard::text");
    append("k", "Second");
    auto by_table = start({"--relay-stop-when-drained", "true"});
    EXPECT_EQ(by_table.wait(30s), 0) << by_table.output();
    EXPECT_EQ(types(), (Types{"First", "Second"}));
    EXPECT_NE(by_table.output().find("pg_drop_replication_slot('" + slot() + "')"),
              std::string::npos)
        << by_table.output();
}

TEST_F(LogicalSource, EndsAPredecessorThatStillHoldsTheSlot) {
    auto first = relay();
    append("k", "First");
    await_published(1);
    first.signal(SIGSTOP);
    append("k", "Second");
    drain();
    EXPECT_EQ(types(), (Types{"First", "Second"}));
    first.signal(SIGKILL);
}

TEST_F(LogicalSource, SaysThatTheServerMustLogForIt) {
    const support::PostgresServer server{{{"wal_level", "replica"}}};
    const support::Database elsewhere{{"outbox"}, server.conninfo()};
    auto refused = relay({"--database-dsn", elsewhere.dsn("postroom_relay")});
    EXPECT_EQ(WEXITSTATUS(refused.wait(30s)), 1);
    EXPECT_NE(refused.output().find("needs wal_level = logical, but it is replica"),
              std::string::npos)
        << refused.output();
}

TEST_F(LogicalSource, SaysWhichPrivilegeIsMissing) {
    const auto role = support::unique_name("plain");
    query<std::string>("create role " + role +
                       " login password 'test' in role postroom_relay; select ''");
    auto refused = relay({"--database-dsn", database_.dsn() + " user=" + role + " password=test"});
    EXPECT_EQ(WEXITSTATUS(refused.wait(30s)), 1);
    EXPECT_NE(refused.output().find("alter role " + role + " replication"), std::string::npos)
        << refused.output();
    query<std::string>("drop role " + role + "; select ''");
}

}  // namespace integration

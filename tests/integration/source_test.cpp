// What both sources of a relay keep, whichever it reads by: one suite for the two.
#include "integration/relay_fixture.hpp"

namespace integration {

using Types = std::vector<std::string>;

class Source : public Relay, public testing::WithParamInterface<std::string> {
protected:
    // Once before the first event, so that a logical source streams all of them.
    void SetUp() override { drain(); }
    support::Process relay(const std::vector<std::string>& more = {},
                           const std::map<std::string, std::string>& env = {}) {
        auto flags = more;
        flags.insert(flags.end(), {"--relay-source", GetParam(), "--kafka-partitions", "1"});
        return start(flags, env);
    }
    void drain(const std::vector<std::string>& more = {}) {
        auto flags = more;
        flags.insert(flags.end(), {"--relay-stop-when-drained", "true"});
        auto process = relay(flags);
        ASSERT_EQ(process.wait(60s), 0) << process.output();
    }
    void append_many(int count) {
        pqxx::connection connection{database_.dsn("postroom_service")};
        pqxx::work tx{connection};
        // Rows of one COPY share an LSN.
        auto copy = pqxx::stream_to::raw_table(tx, "outbox.event",
                                               "aggregatetype, aggregateid, type, payload");
        for (int n = 1; n <= count; ++n)
            copy.write_values(aggregate_, "k", "N" + std::to_string(n), "{}");
        copy.complete();
        tx.commit();
    }
    Types numbered(int count) const {
        Types all;
        for (int n = 1; n <= count; ++n) all.push_back("N" + std::to_string(n));
        return all;
    }
    std::int64_t published() const {
        return query<std::int64_t>("select published from outbox.current_position");
    }
};

INSTANTIATE_TEST_SUITE_P(Both, Source, testing::Values("table", "logical"),
                         [](const auto& source) { return source.param; });

TEST_P(Source, FindsNothingInAnEmptyOutbox) {
    drain();
    EXPECT_EQ(published(), 0);
}

TEST_P(Source, GoesOnWhereItWasStopped) {
    append("k", "First");
    append("k", "Second");
    drain();
    append("k", "Third");
    drain();
    drain();
    EXPECT_EQ(types(), (Types{"First", "Second", "Third"}));
}

TEST_P(Source, PublishesWhatWasAppendedWhileItWasAwake) {
    auto process = relay();
    for (const auto* type : {"First", "Second", "Third"}) {
        append("k", type);
        support::eventually(20s, "the event to be published",
                            [&] { return query<int>("select count(*) from outbox.pending") == 0; });
    }
    stop(process);
    EXPECT_EQ(types(), (Types{"First", "Second", "Third"}));
}

TEST_P(Source, PublishesALateCommitAfterItsSuccessorsWithoutHoldingThemBack) {
    pqxx::connection late{database_.dsn("postroom_service")};
    pqxx::work tx{late};
    append(tx, "k", "Late");
    append("k", "Early");
    drain();
    EXPECT_EQ(types(), Types{"Early"});
    tx.commit();
    drain();
    EXPECT_EQ(types(), (Types{"Early", "Late"}));
}

TEST_P(Source, LeavesOutWhatWasRolledBackWholeOrToASavepoint) {
    pqxx::connection connection{database_.dsn("postroom_service")};
    {
        pqxx::work aborted{connection};
        append(aborted, "k", "Aborted");
    }
    pqxx::work tx{connection};
    append(tx, "k", "Before");
    tx.exec("savepoint a");
    append(tx, "k", "TakenBack");
    tx.exec("rollback to a");
    tx.exec("savepoint b");
    append(tx, "k", "Kept");
    tx.exec("release b");
    append(tx, "k", "After");
    tx.commit();
    drain();
    EXPECT_EQ(types(), (Types{"Before", "Kept", "After"}));
}

TEST_P(Source, PublishesAPreparedTransactionOnceItIsCommitted) {
    const auto kept = support::unique_name("kept"), dropped = support::unique_name("dropped");
    {
        pqxx::connection connection{database_.dsn("postroom_service")};
        pqxx::nontransaction session{connection};
        for (const auto& name : {kept, dropped}) {
            session.exec("begin");
            session.exec("set local outbox.ring = off");
            append(session, "k", name == kept ? "Kept" : "Dropped");
            session.exec("prepare transaction '" + name + "'");
        }
    }
    append("k", "Early");
    drain();
    pqxx::connection connection{database_.dsn("postroom_service")};
    pqxx::nontransaction session{connection};
    session.exec("commit prepared '" + kept + "'");
    session.exec("rollback prepared '" + dropped + "'");
    drain();
    EXPECT_EQ(types(), (Types{"Early", "Kept"}));
}

TEST_P(Source, RepeatsNothingWhenItIsStoppedInsideATransaction) {
    constexpr int count = 200'000;
    append_many(count);
    auto first = relay({"--relay-window-rows", "100"});
    support::eventually(30s, "a part to be recorded", [&] { return published() > 0; });
    stop(first);
    ASSERT_LT(published(), count) << "it was stopped after the transaction, not inside";
    drain();
    EXPECT_EQ(types(), numbered(count));
}

TEST_P(Source, LosesNothingWhenItIsKilledInsideATransaction) {
    constexpr int count = 60'000;
    append_many(count);
    for (const auto* arrival : {"1", "12", "20"}) {
        auto killed = relay({"--relay-window-rows", "100"},
                            {{"POSTROOM_CRASH_AT", std::string{"after_produce:"} + arrival}});
        const int status = killed.wait(30s);
        ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) << killed.output();
    }
    ASSERT_LT(published(), count);
    drain();
    std::set<std::string> seen;
    Types first_occurrences;
    for (const auto& type : types())
        if (seen.insert(type).second) first_occurrences.push_back(type);
    EXPECT_EQ(first_occurrences, numbered(count));
}

TEST_P(Source, GoesOnAfterAPauseInsideATransaction) {
    constexpr int count = 200'000;
    append_many(count);
    // The first record inside the window waits for us, so that the pause finds a part published;
    // and then until what the relay knows of requests is too old for it.
    pqxx::connection connection{database_.dsn()};
    pqxx::nontransaction session{connection};
    session.exec(R"sql(
        create function wait_inside() returns trigger language plpgsql as $$
        begin perform pg_advisory_xact_lock(7, 7), pg_sleep(0.3); return new; end $$;
        grant execute on function wait_inside to public;
        create trigger wait_inside before insert on outbox.position for each row
        when (new.last_seq > 0 or new.last_row > 0) execute function wait_inside();
        select pg_advisory_lock(7, 7))sql");
    auto process = relay({"--relay-window-rows", "100"});
    support::eventually(30s, "a part to be recorded", [&] {
        return query<bool>(
            "select exists (select from pg_locks where classid = 7 and not granted)");
    });
    session.exec("select outbox.pause('a test')");
    session.exec("select pg_advisory_unlock(7, 7)");
    support::eventually(30s, "the pause",
                        [&] { return process.output().find("is paused") != std::string::npos; });
    EXPECT_GT(published(), 0);
    EXPECT_LT(published(), count);
    session.exec("select outbox.resume()");
    support::eventually(30s, "all to be published", [&] { return published() == count; });
    stop(process);
    EXPECT_EQ(types(), numbered(count));
}

TEST_P(Source, ParksAPoisonEventAndPublishesTheOthersInOrder) {
    append("k", "Before");
    query<std::string>(
        "insert into outbox.event (aggregatetype, aggregateid, type, body) select '" + aggregate_ +
        "', 'poison', 'TooLarge', decode(repeat('ff', 2000000), 'hex') returning ''");
    append("k", "After");
    append("poison", "Behind");
    drain();
    EXPECT_EQ(types(), (Types{"Before", "After"}));
    EXPECT_EQ(query<std::string>("select string_agg(type, ' ' order by seq) from outbox.dead"),
              "TooLarge Behind");
}

TEST_P(Source, CommitsItsPositionWithTheEventsToKafka) {
    append_many(12'000);
    drain({"--relay-delivery", "exactly_once"});
    for (const auto& [type, step] :
         {std::pair{"N12001", "before_commit"}, std::pair{"N12002", "after_commit"}}) {
        append("k", type);
        auto killed = relay({"--relay-delivery", "exactly_once"}, {{"POSTROOM_CRASH_AT", step}});
        const int status = killed.wait(30s);
        ASSERT_TRUE(WIFSIGNALED(status)) << killed.output();
    }
    drain({"--relay-delivery", "exactly_once"});
    EXPECT_EQ(types(), numbered(12'002));
}

}  // namespace integration

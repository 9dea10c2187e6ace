// History goes by whole partitions, and nothing that is still needed goes with it.
#include "integration/relay_fixture.hpp"

namespace integration {
namespace {

class Retention : public Relay {
protected:
    void SetUp() override { owner_.emplace(database_.dsn()); }
    template <typename T>
    T ask(const std::string& sql) {
        pqxx::work tx{*owner_};
        auto answer = tx.query_value<T>(sql);
        tx.commit();
        return answer;
    }
    void run(const std::string& sql) {
        pqxx::work tx{*owner_};
        tx.exec(sql).no_rows();
        tx.commit();
    }
    // What the relay does every minute; here under a retention that its housekeeping does not see.
    bool rotate() { return with_no_retention<bool>("outbox.rotate()"); }
    std::optional<std::string> drop() {
        return with_no_retention<std::optional<std::string>>("outbox.drop_history()");
    }
    template <typename T>
    T with_no_retention(const std::string& call) {
        pqxx::work tx{*owner_};
        tx.exec("set local lock_timeout = '100ms'").no_rows();
        tx.exec("update outbox.setting set retain_for = '0'").no_rows();
        auto answer = tx.query_value<T>("select " + call);
        tx.exec("update outbox.setting set retain_for = '24 hours'").no_rows();
        tx.commit();
        return answer;
    }
    std::int64_t events() { return ask<std::int64_t>("select count(*) from outbox.event"); }

    std::optional<pqxx::connection> owner_;
};

TEST_F(Retention, DropsAPartitionOnceItIsPublishedAndPastItsTime) {
    append("1", "First");
    EXPECT_EQ(drop(), std::nullopt) << "in use, and not published";
    EXPECT_TRUE(rotate());
    append("1", "Second");
    EXPECT_EQ(drop(), std::nullopt) << "not published";
    run_until_drained();
    EXPECT_EQ(ask<std::optional<std::string>>("select outbox.drop_history()"), std::nullopt)
        << "not past its time";
    EXPECT_EQ(drop(), "event_8388608");
    EXPECT_EQ(drop(), std::nullopt) << "the other one is in use";
    EXPECT_EQ(events(), 1);
    append("1", "Third");
    run_until_drained();
    EXPECT_EQ(types(), (std::vector<std::string>{"First", "Second", "Third"}));
}

TEST_F(Retention, IsDoneByTheRelayOfAQuietOutbox) {
    append("1", "Last");
    run_until_drained();
    ASSERT_TRUE(rotate());
    auto idle = start();
    support::eventually(10s, "the floor to follow the sequence", [&] {
        return ask<bool>("select lower_floor >= 8388608 from outbox.current_position");
    });
    idle.signal(SIGTERM);
    ASSERT_EQ(idle.wait(10s), 0);
    run("update outbox.setting set retain_bytes = 1");
    auto relay = start();
    support::eventually(10s, "the partition to be dropped", [&] { return events() == 0; });
    relay.signal(SIGTERM);
    ASSERT_EQ(relay.wait(10s), 0);
    EXPECT_NE(relay.output().find("dropped outbox.event_8388608"), std::string::npos)
        << relay.output();
}

TEST_F(Retention, NeverDropsWhatAnOpenTransactionHasAppended) {
    append("2", "First");
    pqxx::connection connection{database_.dsn("postroom_service")};
    pqxx::work late{connection};
    append(late, "1", "Late");
    EXPECT_THROW(rotate(), pqxx::sql_error) << "a seq is drawn: its lock is held";
    run("do $$ begin perform setval('outbox.event_seq_seq', 8388608); end $$");
    append("2", "Second");
    run_until_drained();
    EXPECT_THROW(drop(), pqxx::sql_error) << "its lock is held";
    late.commit();
    EXPECT_EQ(drop(), std::nullopt) << "committed, and not published";
    run_until_drained();
    EXPECT_EQ(drop(), "event_8388608");
    EXPECT_EQ(log().size(), 3U);
}

TEST_F(Retention, NeverDropsAnOpenDeadLetter) {
    const auto id = append("1", "Refused");
    run_until_drained({"--kafka-create-topics", "false"});
    ASSERT_TRUE(rotate());
    append("1", "Second");
    run_until_drained({"--kafka-create-topics", "false"});
    EXPECT_EQ(drop(), std::nullopt);
    run("update outbox.dead_letter set resolved_at = now(), resolution = 'skipped'");
    EXPECT_EQ(drop(), "event_8388608");
}

TEST_F(Retention, NeverDropsADelayedEvent) {
    run("insert into outbox.event (aggregatetype, aggregateid, type, available_at) values ('" +
        aggregate_ + "', '1', 'Delayed', now() + interval '1 hour')");
    run_until_drained();
    ASSERT_TRUE(rotate());
    append("1", "Second");
    run_until_drained();
    EXPECT_EQ(drop(), std::nullopt);
    run("update outbox.delayed set due_at = now()");
    run_until_drained();
    EXPECT_EQ(types(), (std::vector<std::string>{"Second", "Delayed"}));
    EXPECT_EQ(drop(), "event_8388608");
}

TEST_F(Retention, TrimsTheDefaultPartitionByRows) {
    run("do $$ begin perform setval('outbox.event_seq_seq', 1::bigint << 40); end $$");
    append("1", "Beside");
    EXPECT_EQ(with_no_retention<int>("outbox.trim_default()"), 0) << "not published";
    run("insert into outbox.event (aggregatetype, aggregateid, type, available_at) values ('" +
        aggregate_ + "', '1', 'Delayed', now() + interval '1 hour')");
    run_until_drained();
    EXPECT_EQ(ask<int>("select outbox.trim_default()"), 0) << "not past its time";
    EXPECT_EQ(with_no_retention<int>("outbox.trim_default()"), 1);
    EXPECT_EQ(events(), 1) << "the delayed one is still to be published";
}

TEST_F(Retention, IsNotForServices) {
    pqxx::connection service{database_.dsn("postroom_service")};
    for (const auto* const call : {"rotate()", "drop_history()", "trim_default()"}) {
        pqxx::nontransaction tx{service};
        EXPECT_THROW(tx.exec(std::string{"select outbox."} + call), pqxx::insufficient_privilege);
    }
}

}  // namespace
}  // namespace integration

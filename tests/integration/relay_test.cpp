// The relay as a process, against PostgreSQL and Kafka.
#include "integration/relay_fixture.hpp"

namespace integration {

TEST_F(Relay, PublishesAnEventWholeUnderItsKey) {
    pqxx::connection connection{database_.dsn("postroom_service")};
    pqxx::work tx{connection};
    const auto id = tx.exec(
                          "select outbox.append($1, 'k', 'OrderPlaced', '{\"n\": 1}', "
                          "'{\"traceparent\": \"00-1-2-01\"}')",
                          pqxx::params{aggregate_})
                        .one_field()
                        .as<std::string>();
    tx.commit();
    run_until_drained({"--kafka-partitions", "1"});
    const auto records = log();
    ASSERT_EQ(records.size(), 1U);
    EXPECT_EQ(records[0].key, "k");
    EXPECT_EQ(records[0].value, "{\"n\": 1}");
    EXPECT_EQ(records[0].headers.at("id"), id);
    EXPECT_EQ(records[0].headers.at("type"), "OrderPlaced");
    EXPECT_EQ(records[0].headers.at("content-type"), "application/json");
    EXPECT_EQ(records[0].headers.at("traceparent"), "00-1-2-01");
}

TEST_F(Relay, PublishesALateCommitAfterItsSuccessorsWithoutHoldingThemBack) {
    pqxx::connection late{database_.dsn("postroom_service")};
    pqxx::work tx{late};
    append(tx, "k", "Late");
    append("k", "Early");
    run_until_drained();
    EXPECT_EQ(types(), std::vector<std::string>{"Early"});
    tx.commit();
    run_until_drained();
    EXPECT_EQ(types(), (std::vector<std::string>{"Early", "Late"}));
}

TEST_F(Relay, WalksALargeWindowInChunksInTheOrderOfSeq) {
    pqxx::connection connection{database_.dsn("postroom_service")};
    pqxx::work tx{connection};
    tx.exec(
        "insert into outbox.event (aggregatetype, aggregateid, type, payload) "
        "select $1, 'k', 'N' || n, '{}' from generate_series(1, 120000) n",
        pqxx::params{aggregate_});
    tx.commit();
    run_until_drained();
    const auto all = types();
    ASSERT_EQ(all.size(), 120'000U);
    for (std::size_t n = 0; n < all.size(); ++n) ASSERT_EQ(all[n], "N" + std::to_string(n + 1));
}

TEST_F(Relay, LosesNothingWhenItsReaderIsTerminatedInAWindow) {
    pqxx::connection connection{database_.dsn("postroom_service")};
    pqxx::work tx{connection};
    tx.exec(
        "insert into outbox.event (aggregatetype, aggregateid, type, payload) "
        "select $1, n % 100, 'N', '{}' from generate_series(1, 200000) n",
        pqxx::params{aggregate_});
    tx.commit();
    auto process = start({"--relay-stop-when-drained", "true"});
    int terminated = 0;
    while (process.running() && terminated < 5) {
        terminated += query<int>(
            "select count(pg_terminate_backend(pid)) from pg_stat_activity "
            "where application_name = 'postroom relay reader' and state = 'active' "
            "and datname = current_database()");
    }
    EXPECT_EQ(process.wait(60s), 0) << process.output();
    EXPECT_GT(terminated, 0);
    std::set<std::string> published;
    for (const auto& record : log()) published.insert(record.headers.at("id"));
    EXPECT_EQ(published.size(), 200'000U);
}

TEST_F(Relay, SleepsUntilRungAndSilencesTheDoorbellWhileAwake) {
    auto process = start({"--relay-idle-ms", "100"});
    const auto awake = [&] {
        return query<int>(
            "select count(*) from pg_locks where locktype = 'advisory' "
            "and classid = 1886352244 and objid = 0 and granted");
    };
    // Once it has published it is awake: what has let go of the lock since is about to sleep.
    append("k", "Before");
    support::eventually(10s, "the relay to publish",
                        [&] { return query<int>("select count(*) from outbox.pending") == 0; });
    support::eventually(10s, "the relay to fall asleep", [&] { return awake() == 0; });
    pqxx::connection ear{database_.dsn()};
    int rung = 0;
    ear.listen("outbox", [&](pqxx::notification) { ++rung; });
    append("k", "First");
    support::eventually(10s, "the relay to wake and publish",
                        [&] { return query<int>("select count(*) from outbox.pending") == 0; });
    support::eventually(10s, "the ring to be heard", [&] {
        ear.get_notifs();
        return rung == 1;
    });

    pqxx::connection doorkeeper{database_.dsn()};  // plays an awake relay
    pqxx::nontransaction hold{doorkeeper};
    support::eventually(10s, "the lock that silences", [&] {
        return hold.exec("select pg_try_advisory_lock(1886352244, 0)").one_field().as<bool>();
    });
    append("k", "Second");
    ear.get_notifs();
    EXPECT_EQ(rung, 1);
    support::eventually(10s, "the fallback poll to find it",
                        [&] { return query<int>("select count(*) from outbox.pending") == 0; });
}

// A new topic's leader may refuse the first request and take the second.
TEST_F(Relay, RefusesADatabaseThatItsPositionWasNotRecordedIn) {
    append("k", "Once");
    run_until_drained();
    query<std::string>(
        "insert into outbox.position select shard, n + 1, epoch, 12345, timeline, lower, "
        "lower_floor, upper, upper_floor, last_seq, published from outbox.current_position "
        "returning 'moved'");
    append("k", "Twice");
    auto refused = start({"--relay-stop-when-drained", "true"});
    EXPECT_EQ(WEXITSTATUS(refused.wait(30s)), 1);
    EXPECT_NE(refused.output().find("select outbox.rebase(0, SNAPSHOT)"), std::string::npos)
        << refused.output();
    EXPECT_EQ(types(), std::vector<std::string>{"Once"});
    query<std::string>("select (outbox.rebase(0, '1:1:')).shard");
    run_until_drained();
    EXPECT_EQ(types(), (std::vector<std::string>{"Once", "Once", "Twice"}));
}

TEST_F(Relay, HandsTheShardOverAtOnceWhenStopped) {
    auto first = start({"--relay-lease-ms", "600000"});
    support::eventually(10s, "the first to lead", [&] {
        return first.output().find("publishing shard") != std::string::npos;
    });
    auto second = start({"--relay-lease-ms", "600000"});
    const auto port_of_second = port(second);
    httplib::Client client{"127.0.0.1", port_of_second};
    support::eventually(10s, "the second to stand by", [&] {
        const auto ready = client.Get("/readyz");
        return ready && ready->status == 200 && ready->body == "standby\n";
    });
    first.signal(SIGTERM);
    EXPECT_EQ(first.wait(15s), 0) << first.output();
    support::eventually(10s, "the second to lead", [&] {
        const auto ready = client.Get("/readyz");
        return ready && ready->body == "leading\n";
    });
}

TEST_F(Relay, ShowsItselfOverHttp) {
    append("k", "Seen");
    auto process = start();
    const auto labels = "{database=\"" + database_.name() + "\",shard=\"0\"}";
    httplib::Client client{"127.0.0.1", port(process)};
    support::eventually(20s, "the event in the metrics", [&] {
        const auto metrics = client.Get("/metrics");
        return metrics && metrics->body.find("postroom_relay_published_total" + labels + " 1\n") !=
                              std::string::npos;
    });
    EXPECT_EQ(client.Get("/livez")->status, 200);
    const auto metrics = client.Get("/metrics")->body;
    for (const auto* name :
         {"pending", "oldest_age_seconds", "window_events_count* 1", "publish_seconds_count* 1",
          "lease_held* 1", "lease_epoch* 1", "position* 1", "dead_lettered_total* 0"}) {
        auto line = std::string{"postroom_relay_"} + name;
        if (const auto star = line.find('*'); star != std::string::npos)
            line.replace(star, 1, labels);
        EXPECT_NE(metrics.find(line), std::string::npos) << name << metrics;
    }
}

TEST_F(Relay, CannotReadBusinessTablesNorChangeEvents) {
    query<std::string>("create table secret as select 1 as n; select ''");
    append("k", "Kept");
    pqxx::connection connection{database_.dsn("postroom_relay")};
    for (const auto* forbidden :
         {"select * from secret", "update outbox.event set type = 'X'", "delete from outbox.event",
          "update outbox.position set published = 0",
          "insert into outbox.event (aggregatetype, aggregateid, type) values ('a','b','c')"}) {
        pqxx::work tx{connection};
        EXPECT_THROW(tx.exec(forbidden), pqxx::insufficient_privilege) << forbidden;
    }
}

}  // namespace integration

// The operator's command line: what is going on, pause and resume, rebase, the audit trail, roles.
#include "integration/operate_fixture.hpp"

namespace integration {

TEST_F(Operator, SeesThatNoRelayHasEverRun) {
    append("k", "Waiting");
    const auto answer = postroom({"explain", "-o", "json"});
    EXPECT_EQ(answer.code, 2);
    const auto first = answer.json()[0];
    EXPECT_EQ(first["level"], "problem");
    EXPECT_EQ(first["cause"], "lease");
    EXPECT_EQ(first["detail"], "no relay has ever run");
    EXPECT_THAT(first["remedy"].get<std::string>(), testing::HasSubstr("postroom relay"));
    const auto status = postroom({"status"});
    EXPECT_EQ(status.code, 2);
    EXPECT_THAT(status.text, testing::HasSubstr("problem"));
    EXPECT_EQ(rows({"lag"})[0]["pending"], 1);
    EXPECT_EQ(rows({"pending"})[0]["type"], "Waiting");
}

TEST_F(Operator, SeesThatAllIsWell) {
    auto process = start();
    const auto id = append("k", "Published");
    await_count(0, "outbox.pending");
    support::eventually(10s, "status to be ok", [&] { return postroom({"status"}).code == 0; });
    const auto status = rows({"status"})[0];
    EXPECT_EQ(status["level"], "ok");
    EXPECT_EQ(status["leased"], true);
    EXPECT_EQ(status["published"], 1);
    EXPECT_EQ(rows({"show", id})[0]["state"], "published");
    EXPECT_EQ(postroom({"pending"}).text, "(none)\n");
}

TEST_F(Operator, SeesAKilledRelayByItsLease) {
    {
        auto process = start();
        support::eventually(10s, "the lease",
                            [&] { return query<bool>("select leased from outbox.lag"); });
        process.signal(SIGKILL);
    }
    append("k", "Waiting");
    support::eventually(10s, "the lease to run out",
                        [&] { return !query<bool>("select leased from outbox.lag"); });
    const auto first = rows({"explain"})[0];
    EXPECT_EQ(first["cause"], "lease");
    EXPECT_THAT(first["detail"].get<std::string>(), testing::HasSubstr("has not renewed it"));
}

TEST_F(Operator, SeesABrokerThatDoesNotAnswer) {
    append("k", "Waiting");
    auto process = start({"--kafka-brokers", "127.0.0.1:1"});
    await_count(1,
                "outbox.explain() where cause = 'broker' and level = 'problem' "
                "and detail like '%no answer from Kafka at 127.0.0.1:1%'");
}

TEST_F(Operator, SeesARelayThatHoldsTheLeaseAndMovesNothing) {
    query<int>("select epoch from outbox.acquire_lease(0, 'hung', '1 hour')");
    append("k", "Waiting");
    const std::string stalled = "outbox.explain('0') where cause = 'stalled' and level = 'problem'";
    await_count(1, stalled);
    await_count(0, "outbox.explain() where cause = 'stalled'");  // that is not long yet
    do_it({"pause", "--reason", "on purpose"});
    await_count(0, stalled);
}

TEST_F(Operator, SeesAPositionOfAnotherSystem) {
    query<std::string>(
        "insert into outbox.position (shard, n, epoch, system_identifier, timeline, lower, "
        "lower_floor) values (0, 1, 0, 12345, 1, '1:1:', 0) returning ''");
    await_count(1, "outbox.explain() where cause = 'system' and remedy like 'decide%rebase%'");
    do_it({"rebase", "--shard", "0", "--from", "now", "--yes"});
    await_count(0, "outbox.explain() where cause = 'system'");
}

TEST_F(Operator, SeesTheTransactionsThatHoldTheirEventsBack) {
    pqxx::connection open{database_.dsn("postroom_service")};
    pqxx::work tx{open};
    append(tx, "k", "Open");
    pqxx::connection preparing{database_.dsn("postroom_service")};
    pqxx::nontransaction prepared{preparing};
    const auto gid = support::unique_name("gid");
    prepared.exec("begin");
    prepared.exec("set local outbox.ring = off");
    append(prepared, "k", "Prepared");
    prepared.exec("prepare transaction '" + gid + "'");
    EXPECT_EQ(query<int>("select count(*) from outbox.explain() where cause = 'transaction'"), 0);
    const auto answer = postroom({"explain", "--patience", "0"}).text;
    EXPECT_THAT(answer, testing::HasSubstr("pg_terminate_backend(" +
                                           std::to_string(open.backendpid()) + ")"));
    EXPECT_THAT(answer, testing::HasSubstr("rollback prepared '" + gid + "'"));
    tx.commit();
    prepared.exec("rollback prepared '" + gid + "'");
    EXPECT_THAT(postroom({"explain", "--patience", "0"}).text,
                testing::Not(testing::HasSubstr("transaction")));
}

TEST_F(Operator, PausesAndResumesARelayThatKeepsItsLease) {
    auto process = start({"--relay-idle-ms", "100"});
    append("k", "Before");
    await_count(0, "outbox.pending");
    do_it({"pause", "--reason", "an upgrade"});
    httplib::Client client{"127.0.0.1", port(process)};
    support::eventually(5s, "the relay to pause", [&] {
        const auto ready = client.Get("/readyz");
        return ready && ready->status == 200 && ready->body == "paused\n";
    });
    append("k", "While");
    const auto lease = query<std::string>("select expires_at from outbox.lease");
    support::eventually(10s, "the lease to be renewed, twice its time after the append", [&] {
        return query<bool>("select expires_at > '" + lease +
                           "'::timestamptz + interval '2 seconds' "
                           "from outbox.lease");
    });
    EXPECT_EQ(types(), std::vector<std::string>{"Before"});
    const auto explained = rows({"explain"});
    EXPECT_TRUE(std::ranges::any_of(explained, [](const auto& row) {
        return row["cause"] == "paused" &&
               row["detail"].template get<std::string>().ends_with("an upgrade");
    })) << explained;
    EXPECT_EQ(rows({"lag"})[0]["paused"], true);
    do_it({"resume"});
    await_count(0, "outbox.pending");
    EXPECT_EQ(types(), (std::vector<std::string>{"Before", "While"}));
    EXPECT_EQ(query<int>("select epoch from outbox.lease"), 1);
    EXPECT_EQ(actions(), (nlohmann::json{"resume", "pause"}));
    expect_refusal({"resume"}, "nothing is paused");
    expect_refusal({"pause", "--shard", "7", "--reason", "x"}, "there is no shard 7");
}

TEST_F(Operator, PausesInsideALargeWindow) {
    pqxx::connection connection{database_.dsn("postroom_service")};
    pqxx::work tx{connection};
    tx.exec(
        "insert into outbox.event (aggregatetype, aggregateid, type, payload) "
        "select $1, n % 100, n, '{}' from generate_series(1, 400000) n",
        pqxx::params{aggregate_});
    tx.commit();
    auto process = start();
    support::eventually(20s, "the window to be under way", [&] {
        return query<int>("select published from outbox.current_position") > 0;
    });
    do_it({"pause", "--reason", "x"});
    support::eventually(20s, "the relay to pause", [&] {
        return process.output().find("shard 0 is paused") != std::string::npos;
    });
    const auto published = query<int>("select published from outbox.current_position");
    EXPECT_LT(published, 400'000);
    do_it({"resume"});
    support::eventually(60s, "the rest", [&] {
        return query<int>("select published from outbox.current_position") == 400'000;
    });
    EXPECT_EQ(log().size(), 400'000U);
}

TEST_F(Operator, RingsTheDoorbellOfASleepingRelay) {
    pqxx::connection ear{database_.dsn()};
    int rung = 0;
    ear.listen("outbox", [&](pqxx::notification) { ++rung; });
    const auto rings = [&](const std::string& call) {
        rung = 0;
        query<int>("select count(*) from outbox." + call);
        support::eventually(10s, call + " to ring", [&] {
            ear.get_notifs();
            return rung == 1;
        });
    };
    rings("pause('x')");
    rings("resume()");
    const auto dead = query<std::string>(
        "insert into outbox.dead_letter (shard, seq, event_id, topic, key, error) "
        "values (0, 1, gen_random_uuid(), 't', 'k', 'e') returning event_id");
    rings("retry_dead('" + dead + "')");
    rings("skip_dead('" + dead + "', 'x')");
}

TEST_F(Operator, TellsWhatARebaseWouldDoBeforeItDoesIt) {
    append("k", "Once");
    run_until_drained();
    append("k", "Pending");
    const auto all = rows({"rebase", "--shard", "0", "--from", "all", "--dry-run"})[0];
    EXPECT_EQ(all["repeated"], 1);
    EXPECT_EQ(all["skipped"], 0);
    EXPECT_EQ(all["to_publish"], 2);
    const auto now = rows({"rebase", "--shard", "0", "--from", "now", "--dry-run"})[0];
    EXPECT_EQ(now["repeated"], 0);
    EXPECT_EQ(now["skipped"], 1);
    EXPECT_EQ(now["to_publish"], 0);
    EXPECT_EQ(now["events"].size(), 1U);
    EXPECT_EQ(now["events"][0]["outcome"], "skipped");
    EXPECT_EQ(now["events"][0]["type"], "Pending");
    const auto table =
        postroom({"rebase", "--shard", "0", "--from", "all", "--dry-run", "--limit", "1"}).text;
    EXPECT_THAT(table, testing::HasSubstr("… and 1 more: -o json lists them all"));
    EXPECT_THAT(table, testing::HasSubstr("Kafka was not asked"));
    expect_refusal({"rebase", "--shard", "0", "--from", "all"}, "--yes");
    expect_refusal({"rebase", "--shard", "0", "--from", "nonsense", "--yes"}, "nonsense");
    expect_refusal({"rebase", "--shard", "7", "--from", "all", "--yes"}, "there is no shard 7");
    EXPECT_EQ(actions(), nlohmann::json::array());
    do_it({"rebase", "--shard", "0", "--from", "now", "--yes"});
    run_until_drained();
    EXPECT_EQ(types(), std::vector<std::string>{"Once"});
    do_it({"rebase", "--shard", "0", "--from", "all", "--yes"});
    run_until_drained();
    EXPECT_EQ(types(), (std::vector<std::string>{"Once", "Once", "Pending"}));
    EXPECT_EQ(actions(), (nlohmann::json{"rebase", "rebase"}));
}

TEST_F(Operator, RebasesARelayThatRunsAndHasNothingToDo) {
    auto process = start({"--relay-idle-ms", "100"});
    append("k", "Once");
    await_count(0, "outbox.pending");
    do_it({"rebase", "--shard", "0", "--from", "all", "--yes"});
    support::eventually(10s, "the repetition", [&] { return types().size() == 2; });
}

TEST_F(Operator, LeavesATraceOfWhoDidWhat) {
    do_it({"pause", "--shard", "0", "--reason", "a test"});
    const auto trace = rows({"audit"});
    ASSERT_EQ(trace.size(), 1U);
    EXPECT_EQ(trace[0]["actor"], "test_postroom_operator");
    EXPECT_EQ(trace[0]["subject"], "shard 0");
    EXPECT_EQ(trace[0]["detail"]["reason"], "a test");
    pqxx::connection connection{database_.dsn("postroom_operator")};
    for (const auto* forbidden : {"insert into outbox.audit (action, subject) values ('a', 'b')",
                                  "update outbox.audit set actor = 'x'", "delete from outbox.audit",
                                  "select outbox.note('a', 'b', '{}')", "delete from outbox.paused",
                                  "update outbox.dead_letter set resolved_at = now()"}) {
        pqxx::work tx{connection};
        EXPECT_THROW(tx.exec(forbidden), pqxx::insufficient_privilege) << forbidden;
    }
}

TEST_F(Operator, IsTheOnlyRoleThatChangesAnythingAndEverybodyMayLook) {
    const std::vector<std::vector<std::string>> changes{
        {"pause", "--reason", "x"},
        {"resume"},
        {"drain"},
        {"rebase", "--shard", "0", "--from", "all", "--yes"},
        {"dead", "retry", "00000000-0000-7000-8000-000000000000"},
        {"dead", "skip", "00000000-0000-7000-8000-000000000000", "--reason", "x"},
        {"dead", "edit", "00000000-0000-7000-8000-000000000000", "--payload", "1", "--reason",
         "x"}};
    for (const auto* role : {"postroom_service", "postroom_relay", "postroom_reader"}) {
        for (const auto& change : changes) {
            const auto answer = postroom(change, role);
            EXPECT_EQ(answer.code, 1) << role << answer.text;
            EXPECT_THAT(answer.text, testing::HasSubstr("permission denied")) << role;
        }
        for (const auto* look : {"lag", "pending", "audit"})
            EXPECT_EQ(postroom({look}, role).code, 0) << role << look;
        EXPECT_NE(postroom({"explain"}, role).code, 1) << role;
        EXPECT_NE(postroom({"status"}, role).code, 1) << role;
    }
}

TEST_F(Operator, IsToldWhatIsMissing) {
    expect_refusal({"show", "00000000-0000-7000-8000-000000000000"}, "postroom pending");
    expect_refusal({"lag", "--output", "xml"}, "xml");
    expect_refusal({"lag", "--dsn", "dbname=postgres " + support::postgres()}, "postroom migrate");
    support::Process bare{{.argv = {support::bin("postroom").string(), "lag"}, .env = {}}};
    EXPECT_EQ(WEXITSTATUS(bare.wait(10s)), 1);
    EXPECT_THAT(bare.output(), testing::HasSubstr("POSTROOM_DSN"));
}

}  // namespace integration

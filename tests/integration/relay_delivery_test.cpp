#include "integration/relay_fixture.hpp"

namespace integration {

TEST_F(Relay, PublishesLargeEventsWithoutHoldingAllOfThem) {
    pqxx::connection connection{database_.dsn("postroom_service")};
    pqxx::work tx{connection};
    tx.exec(
        "insert into outbox.event (aggregatetype, aggregateid, type, body) "
        "select $1, 'k', 'N' || n, convert_to(repeat(md5(n::text), 16000), 'UTF8') "
        "from generate_series(1, 40) n order by n",
        pqxx::params{aggregate_});
    tx.commit();
    run_until_drained();
    std::vector<std::string> expected;
    for (int n = 1; n <= 40; ++n) expected.push_back("N" + std::to_string(n));
    EXPECT_EQ(types(), expected);
}

TEST_F(Relay, LosesNothingOfTopicsThatItHasJustCreated) {
    pqxx::connection connection{database_.dsn("postroom_service")};
    pqxx::work tx{connection};
    tx.exec(
        "insert into outbox.event (aggregatetype, aggregateid, type, body) "
        "select $1 || '_' || t, 'k', n, convert_to(repeat(md5(n::text), 16000), 'UTF8') "
        "from generate_series(1, 24) t, generate_series(1, 20) n order by t, n",
        pqxx::params{aggregate_});
    tx.commit();
    run_until_drained();
    for (int t = 1; t <= 24; ++t) {
        const auto records = support::read_topic(topic_ + "_" + std::to_string(t));
        ASSERT_EQ(records.size(), 20U) << "lost=" << 20 - static_cast<int>(records.size());
        EXPECT_EQ(records.front().headers.at("type"), "1");
    }
}

TEST_F(Relay, ParksAnEventWhoseHeadersCannotBeRead) {
    pqxx::connection connection{database_.dsn("postroom_service")};
    pqxx::work tx{connection};
    tx.exec("select outbox.append($1, 'bad', 'Bad', headers => '{\"n\": 1e400}')",
            pqxx::params{aggregate_});
    append(tx, "good", "Good");
    tx.commit();
    run_until_drained();
    EXPECT_EQ(types(), std::vector<std::string>{"Good"});
    EXPECT_EQ(query<std::string>("select aggregateid from outbox.dead"), "bad");
    EXPECT_EQ(query<int>("select published from outbox.current_position"), 1);
    EXPECT_EQ(query<int>("select count(*) from outbox.published"), 1);
}

TEST_F(Relay, GoesOnWithAKeyOnceItsDeadLetterIsResolved) {
    auto process = start({"--kafka-create-topics", "false"});
    const auto id = append("k", "Refused");
    support::eventually(30s, "the dead letter",
                        [&] { return query<int>("select count(*) from outbox.dead") == 1; });
    support::create_topic(topic_, 1);
    append("k", "Waiting");
    support::eventually(30s, "the one behind it",
                        [&] { return query<int>("select count(*) from outbox.dead") == 2; });
    query<std::string>(
        "with resolved as (update outbox.dead_letter set resolved_at = now(), "
        "resolution = 'skipped' returning 1) select count(*) from resolved");
    append("k", "Next");
    support::eventually(30s, "the next event of the key", [&] { return !types().empty(); });
    EXPECT_EQ(types().front(), "Next");
    EXPECT_NE(process.output().find(id), std::string::npos) << process.output();
}

}  // namespace integration

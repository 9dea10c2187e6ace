#include <atomic>
#include <semaphore>

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

// Unopened, one topic in eight lost its first event.
TEST_F(Relay, LosesNothingOfTopicsThatItHasJustCreated) {
    pqxx::connection connection{database_.dsn("postroom_service")};
    pqxx::work tx{connection};
    tx.exec(
        "insert into outbox.event (aggregatetype, aggregateid, type, body) "
        "select $1 || '_' || t, 'k', n, convert_to(repeat(md5(n::text), 16000), 'UTF8') "
        "from generate_series(1, 60) t, generate_series(1, 8) n order by t, n",
        pqxx::params{aggregate_});
    tx.commit();
    run_until_drained();
    for (int t = 1; t <= 60; ++t) {
        const auto records = support::read_topic(topic_ + "_" + std::to_string(t));
        ASSERT_EQ(records.size(), 8U) << "lost=" << 8 - static_cast<int>(records.size());
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

TEST_F(Relay, WaitsForNoCollectorThatHangs) {
    std::atomic<int> asked = 0;
    std::binary_semaphore end{0};
    httplib::Server collector;
    collector.Post("/v1/traces", [&](const httplib::Request&, httplib::Response&) {
        ++asked;
        end.acquire();
        end.release();
    });
    const auto endpoint =
        "http://127.0.0.1:" + std::to_string(collector.bind_to_any_port("127.0.0.1"));
    const std::jthread serving{[&] { collector.listen_after_bind(); }};
    collector.wait_until_ready();
    const std::unique_ptr<httplib::Server, std::function<void(httplib::Server*)>> ending{
        &collector, [&](httplib::Server* server) {
            end.release();
            server->stop();
        }};
    pqxx::connection connection{database_.dsn("postroom_service")};
    const auto append_traced = [&](int count) {
        pqxx::work tx{connection};
        tx.exec(
            "select outbox.append($1, 'k', 'Traced', '{}', jsonb_build_object('traceparent', "
            "'00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01')) "
            "from generate_series(1, $2)",
            pqxx::params{aggregate_, count});
        tx.commit();
    };
    const auto process = start({"--tracing-otlp-endpoint", endpoint});
    append_traced(1);
    support::eventually(30s, "a request to the collector", [&] { return asked > 0; });
    append_traced(50);
    EXPECT_TRUE(support::happens_within(20s, [&] {
        return query<int>("select coalesce(max(published), 0) from outbox.current_position") == 51;
    })) << "a hanging collector delays events";
}

}  // namespace integration

// The relay as a process, against PostgreSQL and Kafka.
#include <gtest/gtest.h>
#include <httplib.h>

#include <algorithm>
#include <chrono>
#include <pqxx/pqxx>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "support/database.hpp"
#include "support/kafka.hpp"
#include "support/process.hpp"
#include "support/wait.hpp"

namespace {

using namespace std::chrono_literals;

class Relay : public testing::Test {
protected:
    support::Process start(std::vector<std::string> more = {}) {
        std::vector<std::string> argv{support::bin("postroom").string(),
                                      "relay",
                                      "--database-dsn",
                                      database_.dsn("postroom_relay"),
                                      "--kafka-brokers",
                                      support::kafka(),
                                      "--admin-listen",
                                      "127.0.0.1:0",
                                      "--relay-lease-ms",
                                      "1000"};
        argv.insert(argv.end(), more.begin(), more.end());
        return support::Process{{.argv = argv, .env = {}}};
    }
    void run_until_drained(std::vector<std::string> more = {}) {
        more.insert(more.end(), {"--relay-stop-when-drained", "true"});
        auto process = start(more);
        ASSERT_EQ(process.wait(30s), 0) << process.output();
    }
    std::string append(pqxx::transaction_base& tx, const std::string& key,
                       const std::string& type) {
        return tx
            .exec("select outbox.append($1, $2, $3, '{}')", pqxx::params{aggregate_, key, type})
            .one_field()
            .as<std::string>();
    }
    std::string append(const std::string& key, const std::string& type) {
        pqxx::connection connection{database_.dsn("postroom_service")};
        pqxx::work tx{connection};
        auto id = append(tx, key, type);
        tx.commit();
        return id;
    }
    std::vector<support::Record> log() const { return support::read_topic(topic_); }
    std::vector<std::string> types() const {
        std::vector<std::string> all;
        for (const auto& record : log()) all.push_back(record.headers.at("type"));
        return all;
    }
    template <typename T>
    T query(const std::string& sql) const {
        pqxx::connection connection{database_.dsn()};
        pqxx::nontransaction tx{connection};
        return tx.exec(sql).one_field().as<T>();
    }
    static int port(const support::Process& process) {
        support::eventually(10s, "the admin port in the log", [&] {
            return process.output().find("admin on http://127.0.0.1:") != std::string::npos;
        });
        const auto text = process.output();
        return std::stoi(text.substr(text.find("admin on http://127.0.0.1:") + 26));
    }

    support::Database database_;
    std::string aggregate_ = support::unique_name("relay");
    std::string topic_ = "outbox.event." + aggregate_;
};

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
    support::eventually(10s, "the relay to fall asleep", [&] {
        return process.output().find("publishing shard") != std::string::npos && awake() == 0;
    });
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

TEST_F(Relay, GoesOnWithAKeyOnceItsDeadLetterIsResolved) {
    auto process = start({"--kafka-create-topics", "false"});
    const auto id = append("k", "Refused");
    support::eventually(30s, "the dead letter",
                        [&] { return query<int>("select count(*) from outbox.dead") == 1; });
    support::create_topic(topic_, 1);
    append("k", "Waiting");
    support::eventually(30s, "the one behind it",
                        [&] { return query<int>("select count(*) from outbox.dead") == 2; });
    pqxx::connection connection{database_.dsn("postroom_operator")};
    pqxx::nontransaction tx{connection};
    support::eventually(30s, "the next event of the key", [&] {
        tx.exec("update outbox.dead_letter set resolved_at = now(), resolution = 'skipped'");
        append("k", "Next");
        return !types().empty();
    });
    EXPECT_EQ(types().front(), "Next");
    EXPECT_NE(process.output().find(id), std::string::npos) << process.output();
}

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
    httplib::Client client{"127.0.0.1", port(process)};
    support::eventually(20s, "the event in the metrics", [&] {
        const auto metrics = client.Get("/metrics");
        return metrics &&
               metrics->body.find("postroom_relay_published_total 1\n") != std::string::npos;
    });
    EXPECT_EQ(client.Get("/livez")->status, 200);
    const auto metrics = client.Get("/metrics")->body;
    for (const auto* name :
         {"pending", "oldest_age_seconds", "window_events_count 1", "publish_seconds_count 1",
          "lease_held 1", "lease_epoch 1", "position 1", "dead_lettered_total 0"})
        EXPECT_NE(metrics.find(std::string{"postroom_relay_"} + name), std::string::npos)
            << name << metrics;
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

}  // namespace

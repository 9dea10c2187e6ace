// A drain: what was committed is published, then nothing, though writers go on and relays die.
#include <algorithm>
#include <future>
#include <set>
#include <thread>

#include "integration/operate_fixture.hpp"

namespace integration {

using Ids = std::set<std::string>;

class Drain : public Operator, public testing::WithParamInterface<std::string> {
protected:
    support::Process relay() {
        return start({"--relay-source", GetParam(), "--relay-idle-ms", "100"});
    }
    Ids committed() const {
        Ids ids;
        pqxx::connection connection{database_.dsn()};
        for (const auto& [id] : pqxx::nontransaction{connection}.query<std::string>(
                 "select id::text from outbox.event"))
            ids.insert(id);
        return ids;
    }
    Ids published() const {
        Ids ids;
        for (const auto& record : log()) ids.insert(record.headers.at("id"));
        return ids;
    }
    void append_many(int events) {
        pqxx::connection connection{database_.dsn("postroom_service")};
        pqxx::work tx{connection};
        tx.exec(
            "insert into outbox.event (aggregatetype, aggregateid, type, payload) "
            "select $1, n % 100, 'Many', '{}' from generate_series(1, " +
                std::to_string(events) + ") n",
            pqxx::params{aggregate_});
        tx.commit();
    }
    std::jthread writer() {
        return std::jthread{[this](const std::stop_token& stop) {
            pqxx::connection connection{database_.dsn("postroom_service")};
            for (int i = 0; !stop.stop_requested(); ++i) {
                pqxx::work tx{connection};
                append(tx, std::to_string(i % 20), "Written");
                tx.commit();
            }
        }};
    }
};

TEST_P(Drain, PublishesWhatWasCommittedWhenItWasAskedForAndNothingOnceItHasEnded) {
    auto process = relay();
    auto writing = writer();
    support::eventually(30s, "events", [&] {
        return query<int>("select published from outbox.current_position") > 100;
    });
    append_many(20'000);
    const auto before = committed();
    const auto answer = postroom({"drain", "--timeout", "50"});
    EXPECT_EQ(answer.code, 0) << answer.text;
    const auto drained = published();
    EXPECT_TRUE(std::ranges::includes(drained, before)) << "drained without it";
    EXPECT_EQ(rows({"lag"})[0]["paused"], true);
    await_count(1, "outbox.explain() where cause = 'paused' and detail like 'drained at%'");
    const auto there = committed().size();
    support::eventually(30s, "writers to go on", [&] { return committed().size() > there + 300; });
    EXPECT_EQ(published(), drained) << "published after the drain";
    do_it({"drain"});  // once more: up to now
    EXPECT_GT(published().size(), drained.size());
    do_it({"resume"});
    writing.request_stop();
    writing.join();
    support::eventually(30s, "the rest", [&] { return published() == committed(); });
    EXPECT_EQ(actions(), (nlohmann::json{"resume", "drain", "drain"}));
}

TEST_P(Drain, IsEndedByTheSuccessorOfARelayThatWasKilledInIt) {
    append_many(300'000);
    support::Process asked{{.argv = {support::bin("postroom").string(), "drain"},
                            .env = {{"POSTROOM_DSN", database_.dsn("postroom_operator")}}}};
    support::eventually(10s, "the request",
                        [&] { return query<int>("select count(*) from outbox.paused") == 1; });
    {
        auto killed = relay();
        support::eventually(60s, "some of it", [&] {
            return query<int>("select published from outbox.current_position") > 0;
        });
        killed.signal(SIGKILL);
        killed.wait(10s);
    }
    EXPECT_GT(query<int>("select outbox.drain_left(0, 10)"), 0);  // F
    EXPECT_EQ(query<int>("select count(stopped_at) from outbox.paused"), 0);
    auto successor = relay();
    EXPECT_EQ(asked.wait(60s), 0) << asked.output();
    EXPECT_EQ(published().size(), 300'000U);
}

INSTANTIATE_TEST_SUITE_P(Source, Drain, testing::Values("table", "logical"),
                         [](const auto& one) { return one.param; });

class DrainByHand : public Operator {};

TEST_F(DrainByHand, TellsWhatIsLeftWhenItsTimeIsUpAndPausesAllTheSame) {
    append("k", "First");
    append("k", "Second");
    expect_refusal({"drain", "--timeout", "1"}, "shard 0: 2 to publish, and no relay runs");
    EXPECT_EQ(rows({"explain"}).dump().contains("draining"), true);
    auto process = start();
    await_count(1, "outbox.paused where stopped_at is not null");
    EXPECT_EQ(types(), (std::vector<std::string>{"First", "Second"}));
    append("k", "Third");
    do_it({"resume"});
    await_count(0, "outbox.pending");
}

TEST_F(DrainByHand, RefusesWhatIsPausedAndWhatIsNot) {
    do_it({"pause", "--reason", "an upgrade"});
    expect_refusal({"drain"}, "What is paused cannot be drained");
    do_it({"resume"});
    expect_refusal({"drain", "--shard", "7"}, "there is no shard 7");
    query<int>("select count(*) from outbox.reshard(2)");
    expect_refusal({"drain"}, "the number of shards is being changed");
}

TEST_F(DrainByHand, OfOneShardLeavesTheOthersAlone) {
    auto process = start({"--relay-idle-ms", "100"});
    do_it({"shards", "2"});
    await_count(2, "outbox.current_position");
    const auto append_to_each = [&] {
        for (int key = 0; key < 20; ++key) append(std::to_string(key), "Happened");
    };
    append_to_each();
    do_it({"drain", "--shard", "1", "--timeout", "30"});
    append_to_each();
    await_count(0, "outbox.pending where shard = 0");
    const auto held = query<int>(
        "select count(*) from outbox.event e where outbox.shard_of(e.aggregateid, 2) = 1");
    EXPECT_EQ(query<int>("select count(*) from outbox.pending where shard = 1"), held / 2);
    EXPECT_EQ(log().size(), 40U - static_cast<unsigned>(held / 2));
    do_it({"resume", "--shard", "1"});
    await_count(0, "outbox.pending");
}

TEST_F(DrainByHand, HasNotSucceededWhenOneOfItsShardsWasResumed) {
    {
        auto process = start({"--relay-idle-ms", "100"});
        do_it({"shards", "2"});
        await_count(2, "outbox.current_position");
    }
    for (int key = 0; key < 20; ++key) append(std::to_string(key), "Happened");
    auto refused = std::async(std::launch::async, [&] {
        expect_refusal({"drain", "--timeout", "60"}, "resumed or paused a shard meanwhile");
    });
    await_count(2, "outbox.paused where upto is not null");
    do_it({"resume", "--shard", "1"});
    refused.get();
}

}  // namespace integration

// The consumer run-time, between Kafka and PostgreSQL.
#include "integration/consumer_fixture.hpp"

namespace integration {

TEST_F(ConsumerTest, AppliesEachEventOnceInTheOrderOfItsKey) {
    std::vector<support::Draft> drafts;
    std::string expected;
    for (int i = 0; i < 50; ++i) {
        expected += (i > 0 ? " " : "") + std::to_string(i);
        for (const auto* key : {"a", "b", "c"}) drafts.push_back(draft(key, std::to_string(i)));
    }
    auto again = drafts;  // the whole once more
    drafts.insert(drafts.end(), again.begin(), again.end());
    support::produce(topic_, drafts);
    start(effect);
    support::eventually(30s, "all deliveries", [&] { return consumer_->counts().received == 300; });
    support::eventually(30s, "the duplicates",
                        [&] { return consumer_->counts().duplicates == 150; });
    EXPECT_EQ(query<int>("select count(*) from effect"), 150);
    for (const auto* key : {"a", "b", "c"}) EXPECT_EQ(payloads_of(key), expected);
    EXPECT_EQ(query<int>("select sum(redeliveries) from inbox.duplicates"), 150);
    EXPECT_LT(consumer_->counts().batches, 150U) << "it should batch";
}

// Each share is a transaction of its own, with all its statements.
TEST_F(ConsumerTest, SharesABatchOverNoMoreWorkersThanItIsWorth) {
    std::vector<support::Draft> drafts;
    for (int i = 0; i < 16; ++i) drafts.push_back(draft(std::to_string(i), "x"));
    support::produce(topic_, drafts);
    start(effect);
    await_effects(16);
    stop();
    EXPECT_EQ(query<std::uint64_t>("select count(distinct xmin::text) from effect"),
              consumer_->counts().batches);
    for (int i = 16; i < 400; ++i) drafts.push_back(draft(std::to_string(i), "x"));
    support::produce(topic_, {drafts.begin() + 16, drafts.end()});
    start(effect);
    await_effects(400);
    stop();
    EXPECT_GT(query<std::uint64_t>("select count(distinct xmin::text) from effect"),
              consumer_->counts().batches + 1);
}

// While a batch is at work, the next one starts.
class OverlappingBatches : public ConsumerTest {
protected:
    OverlappingBatches() {
        std::vector<support::Draft> drafts;
        for (int i = 0; i < 400; ++i) {
            expected_ += (i > 0 ? " " : "") + std::to_string(i);
            drafts.push_back(draft("a", std::to_string(i)));
        }
        support::produce(topic_, drafts);
    }
    outbox::ConsumerOptions small() {
        auto options = this->options();
        options.workers = 2;
        options.share = 1;
        options.batch = 4;
        return options;
    }
    void await_second_batch() {
        support::eventually(30s, "a second batch",
                            [&] { return consumer_->counts().batches >= 2; });
    }

    std::string expected_;
};

// What the next one has of a key waits for what failed before.
TEST_F(OverlappingBatches, KeepAKeysOrderAfterAFailure) {
    std::atomic<int> failures = 0;
    start(
        [&](pqxx::transaction_base& tx, const outbox::Message& message) {
            if (message.payload == "0" && failures < 2) {  // in the batch, and alone
                await_second_batch();
                ++failures;
                throw std::runtime_error{"not yet"};
            }
            effect(tx, message);
        },
        small());
    await_effects(400);
    EXPECT_EQ(failures, 2);
    EXPECT_EQ(payloads_of("a"), expected_) << "out of order";
}

TEST_F(OverlappingBatches, KeepAKeysOrderWhenStoppedWhileTheDatabaseIsAway) {
    std::atomic<bool> first = true, started = false;
    start(
        [&](pqxx::transaction_base& tx, const outbox::Message& message) {
            if (first.exchange(false)) {
                await_second_batch();
                support::eventually(30s, "the thread", [&] { return started.load(); });
                thread_.request_stop();
                tx.exec("select pg_terminate_backend(pg_backend_pid())");
            }
            effect(tx, message);
        },
        small());
    started = true;
    support::eventually(30s, "the first message", [&] { return !first; });
    stop();
    EXPECT_EQ(payloads_of("a"), "") << "out of order";
    start(effect, small());
    await_effects(400);
    EXPECT_EQ(payloads_of("a"), expected_);
}

TEST_F(OverlappingBatches, AreToldOfAfterEachOne) {
    std::vector<bool> told;
    consumer_ = std::make_unique<outbox::Consumer>(small());
    consumer_->on("Happened", [this](pqxx::transaction_base& tx, const outbox::Message& message) {
        if (message.payload == "0") await_second_batch();
        effect(tx, message);
    });
    consumer_->after_batch([&told](bool others_at_work) { told.push_back(others_at_work); });
    run();
    await_effects(400);
    stop();
    EXPECT_TRUE(told.front());
    EXPECT_FALSE(told.back());
}

TEST_F(ConsumerTest, GoesOnWhereItStoppedWithoutARedelivery) {
    support::produce(topic_, {draft("a", "1"), draft("b", "2")});
    start(effect);
    await_effects(2);
    stop();
    EXPECT_FALSE(consumer_->ready());
    support::produce(topic_, {draft("a", "3")});
    start(effect);
    await_effects(3);
    EXPECT_EQ(consumer_->counts().received, 1U);
}

TEST_F(ConsumerTest, AppliesEachEventOnceWhileMembersComeAndGo) {
    std::vector<support::Draft> drafts;
    for (int i = 0; i < 3000; ++i)
        drafts.push_back(draft(std::to_string(i % 97), std::to_string(i)));
    support::produce(topic_, drafts);
    auto small = options();
    small.batch = 10;
    start(effect, small);
    for (int i = 0; i < 4; ++i) {
        outbox::Consumer guest{small};
        guest.on("Happened", effect);
        std::jthread visit{[&](const std::stop_token& token) { guest.run(token); }};
        support::eventually(60s, "the guest to be a member", [&] { return guest.ready(); });
    }
    await_effects(3000);
    stop();
    EXPECT_EQ(query<int>("select count(*) from effect"), 3000);
    EXPECT_EQ(
        query<int>(
            "select count(*) from (select n, lag(payload::int) over (partition by key order by n) "
            "as before, payload::int as now from effect) e where now < before"),
        0);
}

// Else a service would be taken out of the load for another instance's start.
TEST_F(ConsumerTest, IsReadyWhileTheGroupWaitsForASlowMember) {
    std::atomic<bool> held = false, released = false;
    outbox::Consumer slow{options()};
    slow.on("Happened", [&](pqxx::transaction_base& tx, const outbox::Message& message) {
        held = true;
        released.wait(false);
        effect(tx, message);
    });
    outbox::Consumer guest{options()};
    guest.on("Happened", effect);
    start(effect);
    std::jthread slowly{[&](const std::stop_token& token) { slow.run(token); }};
    support::eventually(60s, "two members",
                        [&] { return consumer_->ready() && slow.ready() && has_partitions(); });
    std::vector<support::Draft> drafts;
    for (int i = 0; i < 50; ++i) drafts.push_back(draft(std::to_string(i), "x"));
    support::produce(topic_, drafts);
    support::eventually(60s, "the slow member to be at work", [&] { return held.load(); });
    std::jthread visit{[&](const std::stop_token& token) { guest.run(token); }};
    support::eventually(60s, "the partitions to be taken back", [&] { return !has_partitions(); });
    EXPECT_FALSE(support::happens_within(1s, [&] { return !consumer_->ready(); }))
        << "not ready, for a member that is slow";
    EXPECT_FALSE(has_partitions()) << "nobody was waited for";
    released = true;
    released.notify_all();
    await_effects(50);
}

TEST_F(ConsumerTest, HandsABatchOverAtOnceAndOneByOneOnceItHasFailed) {
    std::vector<support::Draft> drafts;
    for (int i = 0; i < 40; ++i) {
        drafts.push_back(draft("a", std::to_string(i)));
        if (i % 2 == 0) drafts.back().headers["type"] = "Undone";
    }
    drafts.push_back(draft("bad", "x"));
    support::produce(topic_, drafts);
    consumer_ = std::make_unique<outbox::Consumer>(options());
    std::atomic<std::size_t> largest = 0, failures = 0;
    consumer_->on_batch({"Happened", "Undone"}, [&](pqxx::transaction_base& tx,
                                                    std::span<const outbox::Message* const> some) {
        largest = std::max<std::size_t>(largest, some.size());
        for (const auto* message : some) {
            effect(tx, *message);
            if (message->key != "bad") continue;
            ++failures;
            throw std::runtime_error{"never"};
        }
    });
    EXPECT_THROW(consumer_->on("Undone", effect), std::invalid_argument);
    run();
    await_effects(40);
    support::eventually(30s, "the dead letter",
                        [&] { return consumer_->counts().dead_lettered == 1; });
    std::string expected = "0";
    for (int i = 1; i < 40; ++i) expected += " " + std::to_string(i);
    EXPECT_EQ(payloads_of("a"), expected);
    EXPECT_GT(largest, 1U);
    EXPECT_GE(failures, 3U);
    EXPECT_EQ(query<int>("select count(*) from effect"), 40);
}

TEST_F(ConsumerTest, TellsHowFarItIsBehindInEachPartitionItHas) {
    std::vector<support::Draft> drafts;
    for (int i = 0; i < 10; ++i) drafts.push_back(draft("a", std::to_string(i)));
    support::produce(topic_, drafts);
    pqxx::connection owner{database_.dsn()};
    const auto hold = [&] {  // what the handlers need, until that is committed
        auto tx = std::make_unique<pqxx::work>(owner);
        tx->exec("lock table effect");
        return tx;
    };
    using Records = std::vector<std::int64_t>;
    const auto lag = [&] {
        Records records;
        for (const auto& each : consumer_->lag()) {
            EXPECT_EQ(each.topic, topic_);
            records.push_back(each.records);
        }
        std::ranges::sort(records);
        return records;
    };
    auto held = hold();
    start(effect);
    support::eventually(30s, "the lag of three partitions, one of them with events",
                        [&] { return lag() == Records{0, 0, 10}; });
    held->commit();
    support::eventually(30s, "no lag", [&] { return lag() == Records{0, 0, 0}; });
    stop();
    EXPECT_EQ(lag(), Records{});
    held.reset();
    held = hold();
    start(effect);
    support::eventually(30s, "the lag since what was committed before",
                        [&] { return lag() == Records{0, 0, 0}; });
    support::produce(topic_, {draft("a", "10"), draft("a", "11")});
    support::eventually(30s, "the lag of two", [&] { return lag() == Records{0, 0, 2}; });
    held->commit();
    await_effects(12);
}

TEST_F(ConsumerTest, PassesOverTypesItDoesNotHandle) {
    auto other = draft("a", "1");
    other.headers["type"] = "SomethingElse";
    support::produce(topic_, {other, draft("a", "2")});
    start(effect);
    await_effects(1);
    support::eventually(30s, "the other type", [&] { return consumer_->counts().ignored == 1; });
    EXPECT_EQ(query<int>("select count(*) from inbox.received"), 1);
}

TEST_F(ConsumerTest, LosesNothingWhenItsDatabaseSessionsAreTerminated) {
    std::vector<support::Draft> drafts;
    for (int i = 0; i < 2000; ++i)
        drafts.push_back(draft(std::to_string(i % 50), std::to_string(i)));
    support::produce(topic_, drafts);
    auto small = options();
    small.batch = 20;
    start(effect, small);
    int terminated = 0;
    while (terminated < 20 && query<int>("select count(*) from effect") < 2000) {
        terminated += query<int>(
            "select count(pg_terminate_backend(pid)) from pg_stat_activity where datname = "
            "current_database() and pid <> pg_backend_pid() and usename like '%service%'");
    }
    await_effects(2000);
    EXPECT_GT(terminated, 0);
    EXPECT_EQ(query<int>("select count(*) from effect"), 2000);
    EXPECT_EQ(query<int>("select count(*) from inbox.dead"), 0);
}

}  // namespace integration

#include <mutex>

#include "integration/consumer_fixture.hpp"

namespace integration {

TEST_F(ConsumerTest, RetriesAFailingEventWithoutHoldingBackOtherKeys) {
    std::atomic<bool> healed{false};
    std::vector<support::Draft> drafts{draft("bad", "1"), draft("bad", "2")};
    for (int i = 0; i < 20; ++i) drafts.push_back(draft("good" + std::to_string(i), "x"));
    support::produce(topic_, drafts);
    auto patient = options();
    patient.attempts = 1000;
    start(
        [&](pqxx::transaction_base& tx, const outbox::Message& message) {
            effect(tx, message);
            if (message.key == "bad" && !healed) throw std::runtime_error{"not yet"};
        },
        patient);
    await_effects(20);
    EXPECT_EQ(payloads_of("bad"), "");
    healed = true;
    await_effects(22);
    EXPECT_EQ(payloads_of("bad"), "1 2");
    EXPECT_GT(consumer_->counts().fallbacks, 0U);
    EXPECT_EQ(query<int>("select count(*) from inbox.dead"), 0);
}

TEST_F(ConsumerTest, ParksWhatKeepsFailingAndOnlyItsKeyBehindIt) {
    const auto poison = outbox::EventId::make().to_string();
    support::produce(topic_, {draft("k", "1"), draft("k", "poison", poison), draft("k", "3"),
                              draft("other", "4")});
    start([](pqxx::transaction_base& tx, const outbox::Message& message) {
        effect(tx, message);
        if (message.payload == "poison") tx.exec("select 1 / 0");
    });
    support::eventually(30s, "two dead letters",
                        [&] { return query<int>("select count(*) from inbox.dead") == 2; });
    await_effects(2);
    EXPECT_EQ(payloads_of("k"), "1");
    EXPECT_EQ(payloads_of("other"), "4");
    EXPECT_EQ(query<int>("select attempts from inbox.dead where event_id = '" + poison + "'"), 3);
    EXPECT_EQ(query<std::string>(
                  "select convert_from(payload, 'UTF8') from inbox.dead_letter where behind = '" +
                  poison + "'"),
              "3");
    // Later ones wait, too; they are free once somebody has resolved it.
    support::produce(topic_, {draft("k", "5")});
    support::eventually(30s, "the third",
                        [&] { return query<int>("select count(*) from inbox.dead") == 3; });
    query<std::string>(
        "update inbox.dead_letter set resolved_at = now(), resolution = 'skipped' where topic = '" +
        topic_ + "' and behind is null returning ''");
    query<std::string>(
        "with u as (update inbox.dead_letter set resolved_at = now() returning 1) select '' from u "
        "limit 1");
    support::produce(topic_, {draft("k", "6")});
    support::eventually(30s, "the key to be free", [&] { return payloads_of("k") == "1 6"; });
}

TEST_F(ConsumerTest, ParksPoisonAtOnceAndWhatIsNoEvent) {
    support::produce(topic_, {draft("a", "poison"),
                              {.key = "b", .value = "x", .headers = {{"type", "Happened"}}},
                              draft("c", "fine")});
    std::atomic<int> calls{0};
    start([&](pqxx::transaction_base& tx, const outbox::Message& message) {
        if (message.payload == "poison") {
            ++calls;
            throw outbox::PoisonMessage{"cannot be"};
        }
        effect(tx, message);
    });
    support::eventually(30s, "two dead letters",
                        [&] { return query<int>("select count(*) from inbox.dead") == 2; });
    await_effects(1);
    EXPECT_LE(calls, 2) << "once in the batch, once alone";
    EXPECT_EQ(
        query<int>("select count(*) from inbox.dead where error like 'header id: not a UUID%'"), 1);
}

TEST_F(ConsumerTest, ParksWhatIsNoTextInHexAndGoesOn) {
    auto bad_header = draft("b", "2");
    bad_header.headers["own"] = std::string{"\0", 1};
    support::produce(topic_, {draft("\xff", "1"), bad_header, draft("c", "fine")});
    start(effect);
    support::eventually(30s, "two dead letters",
                        [&] { return query<int>("select count(*) from inbox.dead") == 2; });
    await_effects(1);
    EXPECT_EQ(
        query<std::string>("select key from inbox.dead where error = 'the key is not UTF-8 text'"),
        "\\xff");
    EXPECT_EQ(query<std::string>("select headers ->> 'own' from inbox.dead_letter "
                                 "where error = 'header own is not UTF-8 text'"),
              "\\x00");
}

TEST_F(ConsumerTest, ParksWhateverBytesAnErrorQuotesAndHoweverLongTheKey) {
    std::string long_key;  // incompressible, and longer than an entry of a btree
    for (int i = 0; i < 100; ++i) long_key += outbox::EventId::make().to_string();
    support::produce(topic_, {draft("a", "1", "\xff\xfe"), draft("b", "poison"),
                              draft(long_key, "poison"), draft("c", "fine")});
    start([](pqxx::transaction_base& tx, const outbox::Message& message) {
        if (message.payload == "poison")
            throw outbox::PoisonMessage{std::string{"read \xc3\x28 \0 where", 14}};
        effect(tx, message);
    });
    support::eventually(30s, "three dead letters",
                        [&] { return query<int>("select count(*) from inbox.dead") == 3; });
    await_effects(1);
    EXPECT_EQ(query<int>("select count(*) from inbox.dead where error = 'header id is not UTF-8 "
                         "text'"),
              1);
}

TEST_F(ConsumerTest, TriesAResolvedEventAnewBeforeThoseBehindIt) {
    const auto first = draft("k", "first");
    const auto second = draft("k", "second");
    std::atomic<bool> fails = true;
    support::produce(topic_, {first, second});
    start([&](pqxx::transaction_base& tx, const outbox::Message& message) {
        if (fails) throw outbox::PoisonMessage{"fails"};
        effect(tx, message);
    });
    const auto dead = [&](int count) {
        support::eventually(30s, std::to_string(count) + " dead letters",
                            [&] { return query<int>("select count(*) from inbox.dead") == count; });
    };
    const auto resolve = [&](const support::Draft& what) {
        pqxx::connection operator_{database_.dsn("postroom_operator")};
        pqxx::nontransaction tx{operator_};
        tx.exec("update inbox.dead_letter set resolved_at = now() where event_id = $1",
                pqxx::params{what.headers.at("id")});
    };
    dead(2);
    resolve(first);
    dead(1);
    support::produce(topic_, {first});  // still fails, and is not forgotten
    dead(2);
    fails = false;
    resolve(first);
    support::produce(topic_, {second, first});  // the second still waits
    await_effects(1);
    EXPECT_EQ(payloads_of("k"), "first");
    resolve(second);
    support::produce(topic_, {second});
    await_effects(2);
    EXPECT_EQ(payloads_of("k"), "first second");
    stop();
}

TEST_F(ConsumerTest, LetsALockDelayOnlyItsKeyAndCostNoAttempt) {
    pqxx::connection holder{database_.dsn()};
    pqxx::work hold{holder};
    hold.exec("select pg_advisory_xact_lock(1)");
    support::produce(topic_, {draft("locked", "1"), draft("free", "2")});
    auto impatient = options();
    impatient.attempts = 1;
    impatient.dsn += " options='-c lock_timeout=50ms'";
    start(
        [](pqxx::transaction_base& tx, const outbox::Message& message) {
            if (message.key == "locked") tx.exec("select pg_advisory_xact_lock(1)");
            effect(tx, message);
        },
        impatient);
    await_effects(1);
    support::eventually(30s, "three attempts", [&] { return consumer_->counts().retried >= 3; });
    EXPECT_EQ(payloads_of("locked"), "");
    hold.commit();
    await_effects(2);
    EXPECT_EQ(query<int>("select count(*) from inbox.dead_letter"), 0);
}

// As while an older process runs on a migrated database, or a newer one on what is not migrated.
TEST_F(ConsumerTest, WaitsForWhatTheDatabaseLacksAtNoCostOfAnAttempt) {
    support::produce(topic_, {draft("new", "1"), draft("new", "2"), draft("old", "3")});
    auto impatient = options();
    impatient.attempts = 1;
    std::atomic<int> told = 0;
    impatient.log = [&](std::string_view line) {
        told += static_cast<int>(line.contains("is the database migrated"));
    };
    start(
        [](pqxx::transaction_base& tx, const outbox::Message& message) {
            effect(tx, message);
            if (message.key == "new")
                tx.exec("insert into later.seen (payload) select later.called($1)",
                        pqxx::params{message.payload});
        },
        impatient);
    await_effects(1);
    EXPECT_EQ(payloads_of("old"), "3");
    pqxx::connection owner{database_.dsn()};
    for (const auto* migration :
         {"select 1", "create schema later", "grant usage on schema later to postroom_service",
          "create table later.seen ()", "alter table later.seen add payload text",
          "create function later.called(text) returns text language sql as 'select $1'"}) {
        pqxx::nontransaction{owner}.exec(migration);
        const auto before = consumer_->counts().retried;
        support::eventually(30s, std::string{"two more attempts after "} + migration,
                            [&] { return consumer_->counts().retried >= before + 2; });
        EXPECT_EQ(payloads_of("new"), "");
    }
    pqxx::nontransaction{owner}.exec("grant insert on later.seen to postroom_service");
    await_effects(3);
    EXPECT_EQ(payloads_of("new"), "1 2");
    EXPECT_EQ(query<std::string>("select string_agg(payload, ' ') from later.seen"), "1 2");
    EXPECT_EQ(query<int>("select count(*) from inbox.dead_letter"), 0);
    EXPECT_GE(told, 12);
    EXPECT_TRUE(consumer_->ready());
    stop();
}

TEST_F(ConsumerTest, GoesOnUnpreparedWhereItsStatementsGetLost) {
    // As behind a pooler that hands each transaction another session. Who asks for a statement that
    // nobody has prepared, though, fails for good.
    std::vector<support::Draft> drafts{draft("bad", "x")};
    for (int i = 0; i < 20; ++i) drafts.push_back(draft("k" + std::to_string(i), "x"));
    support::produce(topic_, drafts);
    auto one_by_one = options();
    one_by_one.attempts = 1;
    one_by_one.batch = 2;
    std::mutex mutex;
    std::string log;
    one_by_one.log = [&](std::string_view line) {
        const std::scoped_lock lock{mutex};
        log += line;
    };
    start(
        [](pqxx::transaction_base& tx, const outbox::Message& message) {
            effect(tx, message);
            tx.exec("deallocate all");
            if (message.key == "bad") tx.exec(pqxx::prepped{"nobody's"});
        },
        one_by_one);
    await_effects(20);
    support::eventually(30s, "a dead letter",
                        [&] { return query<int>("select count(*) from inbox.dead") == 1; });
    stop();
    EXPECT_EQ(query<int>("select count(*) from effect"), 20);
    EXPECT_EQ(query<std::string>("select string_agg(key, ' ') from inbox.dead_letter"), "bad");
    EXPECT_NE(log.find("I prepare none"), std::string::npos) << log;
}

TEST_F(ConsumerTest, HoldsNoMoreBehindAFailingEventThanItMay) {
    std::vector<support::Draft> drafts{draft("k", "bad")};
    for (int i = 0; i < 2000; ++i) drafts.push_back(draft("k", std::to_string(i)));
    support::produce(topic_, drafts);
    auto narrow = options();
    narrow.attempts = 1'000'000;
    narrow.waiting = 100;
    narrow.batch = 10;
    std::atomic<bool> fails = true;
    start(
        [&](pqxx::transaction_base& tx, const outbox::Message& message) {
            if (fails && message.payload == "bad") throw std::runtime_error{"not yet"};
            effect(tx, message);
        },
        narrow);
    support::eventually(30s, "many attempts", [&] { return consumer_->counts().retried >= 20; });
    EXPECT_LE(consumer_->counts().received, 120U);
    fails = false;
    await_effects(2001);
    stop();
}

}  // namespace integration

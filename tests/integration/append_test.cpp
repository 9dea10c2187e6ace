// outbox::append and inbox::accept against PostgreSQL.
#include "outbox/append.hpp"

#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <optional>
#include <pqxx/pqxx>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "outbox/inbox.hpp"
#include "outbox/prepared.hpp"
#include "support/database.hpp"

namespace {

enum class Statements { parsed, prepared };

class Append : public testing::TestWithParam<Statements> {
protected:
    Append() {
        if (GetParam() == Statements::prepared) prepared_.emplace(service_);
    }
    support::Database database_;
    pqxx::connection service_{database_.dsn("postroom_service")};
    std::optional<outbox::PreparedStatements> prepared_;

    static outbox::Event event(const std::string& key) {
        return {.aggregate_type = "order",
                .aggregate_id = key,
                .type = "OrderPlaced",
                .content = outbox::Json{R"({"n": 1})"}};
    }
    int events() {
        pqxx::work tx{service_};
        return tx.exec("select count(*) from outbox.event").one_field().as<int>();
    }
};

TEST_P(Append, KeepsAnEventOnlyIfTheTransactionCommits) {
    {
        pqxx::work tx{service_};
        outbox::append(tx, event("1"));
    }
    EXPECT_EQ(events(), 0);
    pqxx::work tx{service_};
    outbox::append(tx, event("1"));
    tx.commit();
    EXPECT_EQ(events(), 1);
}

TEST_P(Append, StoresEachKindOfContentWithItsHeaders) {
    const auto known = outbox::EventId::make();
    auto json = event("json");
    json.headers = {{"traceparent", "00-1"}, {"quoted", "\"'\\"}};
    json.id = known;
    auto bytes = event("bytes");
    bytes.content = outbox::Bytes{std::string{"\0\xff'", 3}, "application/avro"};
    auto tombstone = event("tombstone");
    tombstone.content = {};
    pqxx::work tx{service_};
    EXPECT_EQ(outbox::append(tx, json), known);
    outbox::append(tx, bytes);
    outbox::append(tx, tombstone);
    // The same once more, all together.
    const std::vector all{json, bytes, tombstone};
    const auto ids = outbox::append(tx, std::span{all});
    tx.commit();
    EXPECT_EQ(ids.size(), 3U);
    EXPECT_EQ(ids[0], known);

    pqxx::work read{service_};
    const auto rows = read.exec(
        "select aggregateid, payload ->> 'n', encode(body, 'hex'), content_type, "
        "headers ->> 'quoted', id from outbox.event order by seq");
    ASSERT_EQ(rows.size(), 6);
    for (const int at : {0, 3}) {
        EXPECT_EQ(rows[at][1].as<std::string>(), "1");
        EXPECT_EQ(rows[at][4].as<std::string>(), "\"'\\");
        EXPECT_EQ(rows[at][5].as<std::string>(), known.to_string());
        EXPECT_EQ(rows[at + 1][2].as<std::string>(), "00ff27");
        EXPECT_EQ(rows[at + 1][3].as<std::string>(), "application/avro");
        EXPECT_TRUE(rows[at + 2][1].is_null() && rows[at + 2][2].is_null());
    }
}

TEST_P(Append, KeepsTheTimeThatAnEventIsToWaitForToTheMicrosecond) {
    using namespace std::chrono;
    auto later = event("later");
    later.available_at = sys_days{2031y / 2 / 3} + 4h + 5min + 6s + 789'012us;
    pqxx::work tx{service_};
    outbox::append(tx, later);
    outbox::append(tx, std::vector{later, event("now")});
    EXPECT_EQ(tx.query_value<int>("select count(*) from outbox.event where available_at = "
                                  "'2031-02-03 04:05:06.789012Z'"),
              2);
    EXPECT_EQ(tx.query_value<int>("select count(*) from outbox.event where available_at is null"),
              1);
}

TEST_P(Append, KeepsTheOrderOfManyEventsAcrossStatements) {
    std::vector<outbox::Event> all;
    for (int i = 0; i < 1203; ++i) all.push_back(event(std::to_string(i)));
    pqxx::work tx{service_};
    const auto ids = outbox::append(tx, std::span{std::as_const(all)});
    tx.commit();
    pqxx::work read{service_};
    const auto rows = read.exec("select aggregateid, id from outbox.event order by seq");
    ASSERT_EQ(rows.size(), 1203);
    for (int i = 0; i < 1203; ++i) {
        ASSERT_EQ(rows[i][0].as<int>(), i);
        ASSERT_EQ(rows[i][1].as<std::string>(), ids[static_cast<std::size_t>(i)].to_string());
    }
}

TEST_P(Append, RefusesABadEventWithAClearError) {
    auto no_topic = event("1");
    no_topic.aggregate_type = "not a topic";
    auto no_json = event("1");
    no_json.content = outbox::Json{"{"};
    auto other_identity = event("1");
    other_identity.headers = {{"id", outbox::EventId::make().to_string()}};
    for (const auto& bad : {no_topic, no_json, other_identity, event("")}) {
        pqxx::work tx{service_};
        EXPECT_THROW(outbox::append(tx, bad), pqxx::sql_error);
    }
}

TEST_P(Append, SaysWhatIsWrongWithARowOfAPlainInsert) {
    const auto insert = [](const std::string& values) {
        return "insert into outbox.event (aggregatetype, aggregateid, type, payload, body, "
               "headers) values (" +
               values + ")";
    };
    const std::vector<std::pair<std::string, std::string>> bad{
        {"'not a topic', 'k', 'A', null, null, null", "names no topic"},
        {"'', 'k', 'A', null, null, null", "names no topic"},
        {"repeat('t', 201), 'k', 'A', null, null, null", "names no topic"},
        {"'t', '', 'A', null, null, null", "aggregateid is no key: it has 0 bytes"},
        {"'t', repeat('k', 4097), 'A', null, null, null", "it has 4097 bytes"},
        {"'t', 'k', '', null, null, null", "type is no name: it has 0 bytes"},
        {"'t', 'k', repeat('a', 256), null, null, null", "it has 256 bytes"},
        {"'t', 'k', 'A', '{}', '\\x00', null", "a payload or a body, not both"},
        {"'t', 'k', 'A', null, null, '[]'", "of JSON type array, not an object"},
        {"'t', 'k', 'A', null, null, 'null'", "of JSON type null, not an object"},
        {R"('t', 'k', 'A', null, null, '{"type": "B"}')", "named as a column is"}};
    for (const auto& [values, why] : bad) {
        pqxx::work tx{service_};
        try {
            tx.exec(insert(values));
            ADD_FAILURE() << "taken: " << values;
        } catch (const pqxx::check_violation& error) {
            EXPECT_TRUE(std::string_view{error.what()}.contains(why)) << error.what();
        }
    }
    for (const auto* missing : {"null, 'k', 'A'", "'t', null, 'A'", "'t', 'k', null"}) {
        pqxx::work tx{service_};
        EXPECT_THROW(tx.exec(insert(missing + std::string{", null, null, null"})),
                     pqxx::not_null_violation);
    }
    pqxx::work tx{service_};
    tx.exec(insert("repeat('t', 200), repeat('k', 4096), repeat('a', 255), null, null, null"));
    tx.exec(insert(R"('A.b_c-9', 'k', 'A', null, '\x00', '{"traceparent": "x"}')"));
    tx.commit();
}

TEST_P(Append, RingsForEveryKindOfInsertOnlyWhileARelaySleeps) {
    pqxx::connection ear{database_.dsn()};
    int rung = 0;
    bool all_heard = false;
    ear.listen("outbox", [&](const pqxx::notification&) { ++rung; });
    ear.listen("end", [&](const pqxx::notification&) { all_heard = true; });
    const auto rings = [&](const char* sql) {
        rung = 0;
        all_heard = false;
        pqxx::work tx{service_};
        tx.exec(sql);
        tx.exec("select pg_notify('end', '')");  // heard after whatever the statement rang
        tx.commit();
        while (!all_heard) ear.await_notification();
        return rung;
    };
    const std::array kinds{
        "select outbox.append('order', '1', 'OrderPlaced', '{}')",
        "insert into outbox.event (aggregatetype, aggregateid, type) values ('order', '1', 'A')",
        "insert into outbox.event (aggregatetype, aggregateid, type) "
        "select 'order', n::text, 'A' from generate_series(1, 3) n"};
    for (const char* sql : kinds) EXPECT_EQ(rings(sql), 0) << sql << ", with no relay at all";

    pqxx::connection sleeper{database_.dsn()};  // plays a relay that sleeps
    pqxx::nontransaction{sleeper}.exec("select pg_advisory_lock_shared(1886352244, 4)");
    for (const char* sql : kinds) EXPECT_EQ(rings(sql), 1) << sql;

    pqxx::connection doorkeeper{database_.dsn()};  // plays an awake relay
    pqxx::nontransaction hold{doorkeeper};
    // Free, for no writer keeps it.
    ASSERT_TRUE(hold.exec("select pg_try_advisory_lock(1886352244, 0)").one_field().as<bool>());
    for (const char* sql : kinds) EXPECT_EQ(rings(sql), 0) << sql;
}

TEST_P(Append, LetsAServiceNeitherChangeNorForgeEvents) {
    pqxx::work made{service_};
    outbox::append(made, event("1"));
    made.commit();
    for (const auto* forbidden :
         {"update outbox.event set type = 'X'", "delete from outbox.event", "truncate outbox.event",
          "insert into outbox.event (tx, aggregatetype, aggregateid, type) values ('1', 'a', 'b', "
          "'c')",
          "insert into outbox.position select * from outbox.position",
          "select outbox.acquire_lease(0, 'me', '1 h')"}) {
        pqxx::work tx{service_};
        EXPECT_THROW(tx.exec(forbidden), pqxx::insufficient_privilege) << forbidden;
    }
}

TEST_P(Append, AcceptsAnEventOnceForEachConsumerAndCountsTheRest) {
    const auto id = outbox::EventId::make();
    pqxx::work tx{service_};
    EXPECT_TRUE(inbox::accept(tx, "a", id, "topic/0/1"));
    EXPECT_TRUE(inbox::accept(tx, "b", id));
    EXPECT_FALSE(inbox::accept(tx, "a", id));
    EXPECT_FALSE(inbox::accept(tx, "a", id));
    EXPECT_EQ(tx.exec("select redeliveries from inbox.duplicates where consumer = 'a'")
                  .one_field()
                  .as<int>(),
              2);
}

TEST_P(Append, AcceptsAgainWhatWasRolledBackAndWaitsForWhoIsAtIt) {
    const auto id = outbox::EventId::make();
    pqxx::connection other{database_.dsn("postroom_service")};
    pqxx::work first{service_};
    EXPECT_TRUE(inbox::accept(first, "a", id));
    bool second_accepted = false;
    std::jthread second{[&] {
        pqxx::work tx{other};
        second_accepted = inbox::accept(tx, "a", id);
        tx.commit();
    }};
    pqxx::connection watch{database_.dsn()};
    for (bool waits = false; !waits;) {
        pqxx::nontransaction tx{watch};
        waits = tx.exec("select exists (select from pg_locks where not granted)")
                    .one_field()
                    .as<bool>();
    }
    first.abort();
    second.join();
    EXPECT_TRUE(second_accepted);
}

TEST_P(Append, AcceptsABatchInOneStatement) {
    pqxx::work tx{service_};
    const auto old = outbox::EventId::make();
    inbox::accept(tx, "a", old);
    const auto fresh = outbox::EventId::make().to_string();
    const auto rows = tx.exec("select inbox.accept_all('a', array[$1, $2, $2]::uuid[])",
                              pqxx::params{old.to_string(), fresh});
    ASSERT_EQ(rows.size(), 1);
    EXPECT_EQ(rows[0][0].as<std::string>(), fresh);
    EXPECT_EQ(tx.exec("select sum(redeliveries) from inbox.duplicates").one_field().as<int>(), 2);
}

TEST_P(Append, ParsesOnceWhatIsPreparedAndNothingElseStaysInTheSession) {
    const auto kept = [&] {
        pqxx::work tx{service_};
        return tx.query_value<int>(
            "select coalesce(sum(generic_plans + custom_plans), 0) from pg_prepared_statements");
    };
    for (int i = 0; i < 3; ++i) {
        pqxx::work tx{service_};
        outbox::append(tx, event("1"));
        outbox::append(tx, std::vector{event("2"), event("3")});
        tx.commit();
    }
    EXPECT_EQ(kept(), GetParam() == Statements::prepared ? 6 : 0);
    prepared_.reset();
    pqxx::work tx{service_};
    outbox::append(tx, event("4"));
    tx.commit();
    EXPECT_EQ(kept(), GetParam() == Statements::prepared ? 6 : 0);
    EXPECT_EQ(events(), 10);
}

INSTANTIATE_TEST_SUITE_P(Sessions, Append,
                         testing::Values(Statements::parsed, Statements::prepared),
                         [](const auto& instance) {
                             return std::string{instance.param == Statements::parsed ? "Parsed"
                                                                                     : "Prepared"};
                         });

}  // namespace

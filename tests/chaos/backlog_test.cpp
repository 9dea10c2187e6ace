// Fault 18: a backlog that nobody has analyzed or vacuumed.
#include <gtest/gtest.h>

#include <chrono>
#include <format>
#include <functional>
#include <nlohmann/json.hpp>
#include <pqxx/pqxx>
#include <print>
#include <string>

#include "chaos/stage.hpp"
#include "chaos/writers.hpp"
#include "relay/table_source.hpp"
#include "support/postgres_server.hpp"

namespace chaos {
namespace {

constexpr int events_each = 5000;
constexpr auto append_sql = R"sql(
    insert into outbox.event (aggregatetype, aggregateid, type, payload)
    select 'account', 'account-' || i % 40, 'AccountChanged', jsonb_build_object('version', i)
    from generate_series($1::int, $2::int) i
    returning id::text, aggregateid, (payload ->> 'version')::bigint
)sql";

// What a plan says of itself and of all that is below it.
void each_node(const nlohmann::json& node, const std::function<void(const nlohmann::json&)>& see) {
    see(node);
    for (const auto& below : node.value("Plans", nlohmann::json::array())) each_node(below, see);
}

class Backlog : public testing::Test {
protected:
    Backlog() {
        pqxx::connection connection{stage_.writer_dsn()};
        for (int number = 0; number < transactions_; ++number) {
            pqxx::work tx{connection};
            std::vector<Appended> events;
            for (const auto& [id, key, version] : tx.query<std::string, std::string, std::int64_t>(
                     append_sql,
                     pqxx::params{number * events_each + 1, (number + 1) * events_each}))
                events.push_back({id, key, version});
            tx.commit();
            journal_.note(events, Outcome::committed);
        }
    }
    // Of a thousand events after that seq, read as the relay reads a window with that floor;
    // returns the buffers touched.
    int expect_by_index(std::int64_t after_seq, std::int64_t floor) {
        relay::Position window;
        window.lower = {.snapshot = "1:1:", .floor = floor, .stream = std::nullopt};
        window.upper = window.lower;
        window.upper->snapshot = reader_.run("select pg_current_snapshot()::text").at(0, 0);
        const auto answer = reader_.run("explain (analyze, buffers, timing off, format json) " +
                                        relay::chunk_query(window, after_seq, 1000, false));
        const auto plan = nlohmann::json::parse(answer.at(0, 0))[0]["Plan"];
        each_node(plan, [&plan](const nlohmann::json& node) {
            const std::string type = node["Node Type"];
            const bool sorts = type.contains("Sort") && node["Actual Rows"].get<double>() > 100;
            EXPECT_FALSE(type == "Seq Scan" || sorts) << "not by index: " << plan.dump(2);
        });
        return plan["Shared Hit Blocks"].get<int>() + plan["Shared Read Blocks"].get<int>();
    }

    support::PostgresServer server_{{{"autovacuum", "off"}}};
    Stage stage_{support::kafka(), 1, {}, server_.conninfo()};
    Journal journal_;
    const int transactions_ = number_given("POSTROOM_BACKLOG_EVENTS", 100'000) / events_each;
    relay::Connection reader_{stage_.database().dsn("postroom_relay"), "test"};
};

TEST_F(Backlog, WithoutVacuumIsReadByIndexAsFastAtItsEndAsAtItsBeginning) {
    relay::prepare_reading(reader_);
    const int end = (transactions_ - 1) * events_each;
    for (const bool by_window : {false, true}) {
        const int first = expect_by_index(0, by_window ? 1 : 0);
        const int last = expect_by_index(end, by_window ? end + 1 : 0);
        EXPECT_LE(last, first * 3 / 2) << "the last chunk costs more than the first";
    }

    const auto began = std::chrono::steady_clock::now();
    auto relay = stage_.relay({{"POSTROOM_RELAY_STOP_WHEN_DRAINED", "true"}});
    EXPECT_EQ(relay.wait(std::chrono::seconds{60 + transactions_}), 0) << relay.output();
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
    const Verdict verdict = stage_.verdict(journal_);
    EXPECT_TRUE(verdict.sound()) << verdict;
    EXPECT_EQ(verdict.committed, static_cast<std::size_t>(transactions_ * events_each));
    std::println("backlog events={} seconds={:.1f} lost={} repeated={} out_of_order={}",
                 verdict.committed, took.count(), verdict.lost, verdict.repeated,
                 verdict.out_of_order);
}

}  // namespace
}  // namespace chaos

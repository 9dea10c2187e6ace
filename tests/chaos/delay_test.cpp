// Fault 1 for delayed events: the relay is killed once it has noted them.
#include <gtest/gtest.h>

#include <pqxx/pqxx>
#include <set>
#include <string>

#include "chaos/stage.hpp"
#include "support/wait.hpp"

namespace chaos {
namespace {

constexpr auto delay_sql = R"(
insert into outbox.event (aggregatetype, aggregateid, type, payload, available_at)
select 'account', n % 7, 'Delayed', '{}', clock_timestamp() + make_interval(secs => 1 + n / 100.0)
from generate_series(1, 200) n)";

TEST(Delay, OutlivesAKillBetweenItsNoteAndItsTime) {
    const Stage stage;
    pqxx::connection connection{stage.database().dsn()};
    pqxx::nontransaction tx{connection};
    tx.exec(delay_sql).no_rows();
    auto killed = stage.crashing_relay("after_note");
    ASSERT_TRUE(was_killed(killed)) << killed.output();
    auto relay = stage.relay();
    stage.await_drained();
    // Whatever is noted comes in its time; whatever is not never does.
    support::eventually(std::chrono::seconds{60}, "no delayed event to be left", [&] {
        return tx.query_value<int>("select count(*) from outbox.delayed_event") == 0;
    });
    EXPECT_TRUE(stops_gracefully(relay)) << relay.output();
    std::set<std::string> published;
    for (const auto& record : stage.log()) published.insert(record.headers.at("id"));
    EXPECT_EQ(published.size(), 200U) << "lost=" << 200 - published.size();
}

}  // namespace
}  // namespace chaos

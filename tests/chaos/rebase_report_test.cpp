// What a rebase reports after a restore, compared with what the database, the log, and the log
// after it was done say.
#include "chaos/rebase_report.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <iterator>

#include "chaos/writers.hpp"
#include "support/postgres_server.hpp"

namespace chaos {
namespace {

using Delivery = std::string;

class Restored : public testing::TestWithParam<Delivery> {
protected:
    void append(const std::string& key, int times) {
        Transaction one{stage_.writer_dsn(), journal_};
        for (int i = 0; i < times; ++i) {
            one.begin();
            one.append(key);
            one.commit();
        }
    }
    void publish() {
        auto relay = stage_.relay({{"POSTROOM_RELAY_DELIVERY", GetParam()},
                                   {"POSTROOM_RELAY_STOP_WHEN_DRAINED", "true"}});
        ASSERT_EQ(relay.wait(std::chrono::seconds{30}), 0) << relay.output();
    }
    void restart(const std::function<void()>& meanwhile) {
        server_.stop_immediately();
        meanwhile();
        server_.start();
    }
    Ids of(const std::string& key) const {
        return ids_here(stage_.database().dsn(), "aggregateid = '" + key + "'");
    }
    RebaseReport report(const std::string& from, bool with_kafka = true) const {
        return report_rebase(stage_, stage_.database().dsn("postroom_operator"), from, with_kafka);
    }

    support::PostgresServer server_;
    Stage stage_{support::kafka(), 1, {}, server_.conninfo()};
    Journal journal_;
};

// Before the copy: 3 published and 4 not. After it, these and 100 more were; then it is restored,
// and 5 are new.
TEST_P(Restored, VolumeIsToldExactlyWhichEventsARebaseRepeatsAndSkipsAndWhichAreMissing) {
    append("account-1", 3);
    publish();
    append("account-2", 4);
    restart([this] { server_.keep(); });
    append("account-3", 100);
    publish();
    restart([this] { server_.go_back(); });
    append("account-4", 5);

    const auto here = ids_here(stage_.database().dsn()), log = ids_in_log(stage_);
    const auto lost = minus(log, here), unpublished = minus(here, log);
    ASSERT_EQ(here.size(), 12U);
    ASSERT_EQ(lost.size(), 100U);       // F
    ASSERT_EQ(unpublished.size(), 5U);  // F

    const auto recorded = report("recorded");
    EXPECT_EQ(recorded["missing"], lost);
    EXPECT_EQ(recorded["repeated"], of("account-2"));
    EXPECT_EQ(recorded["skipped"], Ids{});
    EXPECT_EQ(recorded.counts["to_publish"], 9);
    const auto all = report("all");
    EXPECT_EQ(all["missing"], lost);
    EXPECT_EQ(all["repeated"], minus(here, unpublished));
    EXPECT_EQ(all["skipped"], Ids{});
    const auto now = report("now");
    EXPECT_EQ(now["missing"], lost);
    EXPECT_EQ(now["repeated"], Ids{});
    EXPECT_EQ(now["skipped"], unpublished);

    const auto by_position = report("recorded", false);
    EXPECT_EQ(by_position["unknown"], minus(here, of("account-1")));
    EXPECT_EQ(by_position["repeated"], Ids{});
    EXPECT_TRUE(by_position.counts["missing"].is_null());

    pqxx::connection owner{stage_.database().dsn()};
    pqxx::nontransaction{owner}.exec(
        "select outbox.rebase(0, lower) from outbox.current_position where shard = 0");
    publish();
    EXPECT_EQ(ids_in_log(stage_, 2), recorded["repeated"]);
    EXPECT_EQ(minus(here, ids_in_log(stage_)), Ids{});
}

INSTANTIATE_TEST_SUITE_P(Delivery, Restored, testing::Values("at_least_once", "exactly_once"),
                         [](const auto& one) { return one.param; });

}  // namespace
}  // namespace chaos

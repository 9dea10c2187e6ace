// Fault 17: the disk that holds PostgreSQL's log is full.
#include <gtest/gtest.h>

#include "chaos/stage.hpp"
#include "chaos/writers.hpp"
#include "support/postgres_server.hpp"
#include "support/small_disk.hpp"
#include "support/wait.hpp"

namespace chaos {
namespace {

using namespace std::chrono_literals;

TEST(FullDisk, OfTheDatabaseLosesNothingThatWasAcknowledged) {
    const support::SmallDisk disk{96};
    support::PostgresServer server{{{"min_wal_size", "2MB"}}, disk.path()};
    const Stage stage{support::kafka(), 1, {}, server.conninfo()};
    Journal journal;
    auto relay = stage.relay();
    Writers writers{stage.database(), {.seed = seed(), .reconnects = true}, journal};
    stage.await_published(300);
    for (int times = 0; times < 2; ++times) {
        disk.fill(1);
        support::eventually(120s, "PostgreSQL to run out of space", [&] {  // F
            const auto log = server.log();
            return log.contains("PANIC") && log.contains("No space left on device");
        });
        disk.make_room();
        server.stop_immediately();  // if it has not given up by itself
        server.start();
        stage.await_published(stage.published() + 300);
    }
    writers.stop();
    stage.await_drained();
    EXPECT_TRUE(stops_gracefully(relay)) << relay.output();
    const Verdict verdict = stage.verdict(journal);
    EXPECT_TRUE(verdict.sound()) << verdict;
    EXPECT_GT(journal.count(Outcome::unknown), 0U) << "no commit was cut short";
}

}  // namespace
}  // namespace chaos

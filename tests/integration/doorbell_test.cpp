#include "relay/doorbell.hpp"

#include <gtest/gtest.h>

#include <chrono>

#include "relay/postgres.hpp"
#include "support/database.hpp"
#include "support/wait.hpp"

namespace {

using namespace std::chrono_literals;

std::string snapshot(relay::Connection& connection) {
    return std::string{connection.run("select pg_current_snapshot()").at(0, 0)};
}

// A snapshot does not list a running transaction whose xid is past the newest that has completed.
TEST(Doorbell, IsNotQuietWhileATransactionRunsThatSawItsLockHeld) {
    const support::Database database;
    relay::Connection relay{database.dsn(), "relay"};
    relay::Connection writer{database.dsn(), "writer"};
    relay::Doorbell doorbell{relay, false};
    doorbell.wake();
    ASSERT_TRUE(doorbell.awake());
    writer.run("begin; select outbox.append('order', '1', 'OrderPlaced', '{}')");
    doorbell.release();
    EXPECT_FALSE(doorbell.quiet(snapshot(relay)));
    writer.run("commit");
    // Not at once: the transactions of the cluster's other databases count as well.
    support::eventually(30s, "the doorbell to be quiet",
                        [&] { return doorbell.quiet(snapshot(relay)); });
}

// Beside a session of another shard, whose lock keeps writers from ringing.
TEST(Doorbell, IsNotQuietWhileAnotherHoldsItsLockNorBeforeThoseHaveEndedWhoSawIt) {
    const support::Database database;
    relay::Connection one{database.dsn(), "one"};
    relay::Connection other{database.dsn(), "other"};
    relay::Connection writer{database.dsn(), "writer"};
    relay::Doorbell idle{one, true};
    relay::Doorbell busy{other, true};
    const auto becomes_quiet = [&] { return idle.quiet(snapshot(one)); };
    support::eventually(30s, "the doorbell to be quiet", becomes_quiet);
    busy.wake();
    ASSERT_TRUE(busy.awake());
    EXPECT_TRUE(idle.wait(10s, -1)) << "nobody told that writers ring no more";
    EXPECT_FALSE(becomes_quiet());
    writer.run("begin; select outbox.append('order', '1', 'OrderPlaced', '{}')");
    busy.release();
    EXPECT_FALSE(support::happens_within(300ms, becomes_quiet)) << "somebody saw the lock held";
    writer.run("commit");
    support::eventually(30s, "the doorbell to be quiet again", becomes_quiet);
}

}  // namespace

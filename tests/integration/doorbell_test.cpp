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
    relay::Doorbell doorbell{relay};
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

}  // namespace

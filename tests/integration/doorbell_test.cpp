#include "relay/doorbell.hpp"

#include <gtest/gtest.h>

#include "relay/postgres.hpp"
#include "support/database.hpp"

namespace {

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
    EXPECT_TRUE(doorbell.quiet(snapshot(relay)));
}

}  // namespace

// Fault 29: a replay from before the inbox's history. What it forgets, it refuses: nothing is
// applied twice.
#include <gtest/gtest.h>

#include <pqxx/pqxx>
#include <string>

#include "faults.hpp"
#include "support/database.hpp"

namespace {

class InboxHistory : public testing::Test {
protected:
    // The version 7 id of an event that is so old.
    std::string id(const std::string& age, char last = '1') {
        pqxx::nontransaction tx{owner_};
        auto id = tx.query_value<std::string>("select inbox.first_id(now() - interval '" + age +
                                              "')::text");
        id[14] = '7';
        id.back() = last;
        return id;
    }
    bool accept(const std::string& id) {
        pqxx::work tx{service_};
        const bool fresh = tx.query_value<bool>("select inbox.accept('statements', '" + id + "')");
        tx.commit();
        return fresh;
    }
    int drop() {
        if (faults::mutant("short_purge")) {  // forgets, and lets what it has forgotten pass
            pqxx::nontransaction{owner_}.exec(
                "create or replace function inbox.refuse_forgotten() returns trigger "
                "language plpgsql as 'begin return new; end'");
        }
        pqxx::nontransaction tx{service_};
        return tx.query_value<int>("select inbox.drop_history()");
    }
    void make_days(int ago) {
        pqxx::nontransaction tx{owner_};
        tx.exec("do $$ declare day date; begin for day in select generate_series(current_date - " +
                std::to_string(ago) +
                ", current_date - 2, '1 day')::date loop "
                "execute format('create table inbox.received_%s partition of inbox.received for "
                "values from (%L) to (%L)', to_char(day, 'YYYYMMDD'), "
                "inbox.first_id(day::timestamp at time zone 'UTC'), "
                "inbox.first_id((day + 1)::timestamp at time zone 'UTC')); end loop; end $$");
    }

    support::Database database_;
    pqxx::connection owner_{database_.dsn()};
    pqxx::connection service_{database_.dsn("postroom_service")};
};

TEST_F(InboxHistory, ForgetsTheDaysBeyondRetentionAndRefusesTheirEvents) {
    make_days(20);
    const auto forgotten = id("15 days"), kept = id("3 days");
    EXPECT_TRUE(accept(forgotten));
    EXPECT_TRUE(accept(kept));
    EXPECT_GE(drop(), 11);
    EXPECT_EQ(drop(), 0);
    try {
        accept(forgotten);
        FAIL() << "applied twice";
    } catch (const pqxx::sql_error& error) {
        EXPECT_EQ(error.sqlstate(), "55000");
        EXPECT_NE(std::string{error.what()}.find("older than the history"), std::string::npos);
    }
    EXPECT_FALSE(accept(kept)) << "still remembered";
    EXPECT_TRUE(accept(id("1 second")));
    EXPECT_TRUE(accept("7c5fd6a3-3a3d-4d5b-9d0a-0d8a3e6a1f55")) << "an id without a time";
}

TEST_F(InboxHistory, RefusesNothingBeforeItHasForgottenAnything) {
    const auto old = id("100 days");
    EXPECT_EQ(drop(), 0);
    EXPECT_TRUE(accept(old)) << "a new consumer reads an old topic";
    EXPECT_EQ(drop(), 0);
    EXPECT_FALSE(accept(old)) << "a duplicate";
}

TEST_F(InboxHistory, TakesWhatItStillRemembersForADuplicate) {
    make_days(20);
    EXPECT_TRUE(accept(id("15 days")));
    const auto old = id("100 days");
    EXPECT_TRUE(accept(old));  // into the default partition, received today
    EXPECT_GE(drop(), 11);
    EXPECT_FALSE(accept(old));
    EXPECT_THROW(accept(id("100 days", '3')), pqxx::sql_error);
}

TEST_F(InboxHistory, NeverRemembersAgainWhatItHasForgotten) {
    make_days(20);
    const auto forgotten = id("15 days");
    EXPECT_TRUE(accept(forgotten));
    EXPECT_GE(drop(), 11);
    pqxx::nontransaction{owner_}.exec(
        "insert into inbox.received values (gen_random_uuid(), 'statements', now() - interval '40 "
        "days');"
        "update inbox.setting set retain_for = '30 days'");
    EXPECT_EQ(pqxx::nontransaction{service_}.query_value<int>("select inbox.trim_default()"), 1);
    EXPECT_THROW(accept(forgotten), pqxx::sql_error);
}

TEST_F(InboxHistory, LeavesABusyInboxForAnotherTime) {
    make_days(20);
    const auto fresh = id("1 second");
    pqxx::work open{owner_};
    open.exec("select inbox.accept('statements', '" + fresh + "')");
    EXPECT_EQ(drop(), 0);
    open.abort();
    EXPECT_GE(drop(), 11);
}

}  // namespace

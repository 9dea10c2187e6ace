#include "domain/transact.hpp"

#include <gtest/gtest.h>

#include <future>
#include <pqxx/pqxx>
#include <tl/expected.hpp>

#include "domain/refusal.hpp"
#include "support/database.hpp"
#include "support/environment.hpp"

namespace domain {
namespace {

class TransactTest : public testing::Test {
protected:
    TransactTest() {
        pqxx::nontransaction tx{super};
        tx.exec("create table entry (id int primary key); create sequence tries");
    }

    int insert(pqxx::work& tx) {
        ++runs;
        tx.exec("insert into entry values (1)");
        return runs;
    }

    // The first COMMIT after this loses its connection, and with it any word of its outcome.
    void lose_the_next_commit() {
        pqxx::nontransaction tx{super};
        tx.exec(R"(
            create function lose() returns trigger language plpgsql as $$
            begin
                if nextval('tries') = 1 then perform pg_terminate_backend(pg_backend_pid()); end if;
                return null;
            end $$;
            create constraint trigger lose after insert on entry deferrable initially deferred
            for each row execute function lose())");
    }

    std::int64_t entries() {
        pqxx::nontransaction tx{super};
        return tx.query_value<std::int64_t>("select count(*) from entry");
    }

    support::Database database{{}};
    pqxx::connection super{database.dsn()};
    Pool pool{{.dsn = database.dsn(), .size = 2}};
    int runs = 0;
};

TEST_F(TransactTest, CommitsWhatTheFunctionDid) {
    EXPECT_EQ(transact(pool, [&](pqxx::work& tx) { return insert(tx); }), 1);
    EXPECT_EQ(entries(), 1);
}

TEST_F(TransactTest, LeavesNothingBehindARefusal) {
    const auto refused = transact(pool, [&](pqxx::work& tx) -> tl::expected<int, Refusal> {
        insert(tx);
        return tl::unexpected(Refusal{Refusal::Reason::conflict, "no"});
    });
    EXPECT_FALSE(refused);
    EXPECT_EQ(entries(), 0);
}

TEST_F(TransactTest, RepeatsAfterSerializationFailuresAndDeadlocks) {
    for (const auto* state : {"40001", "40P01"}) {
        runs = 0;
        const auto result = transact(pool, [&](pqxx::work& tx) {
            if (++runs < 3)
                tx.exec(std::string{"do $$ begin raise sqlstate '"} + state + "'; end $$");
            return runs;
        });
        EXPECT_EQ(result, 3) << state;
    }
}

TEST_F(TransactTest, GivesUpAfterItsAttempts) {
    const auto always_fail = [&](pqxx::work& tx) {
        ++runs;
        tx.exec("do $$ begin raise sqlstate '40001'; end $$");
        return 0;
    };
    EXPECT_THROW(transact(pool, always_fail, {.attempts = 3}), pqxx::serialization_failure);
    EXPECT_EQ(runs, 3);
}

TEST_F(TransactTest, NeverRepeatsAnOrdinaryError) {
    const auto fail = [&](pqxx::work& tx) {
        ++runs;
        tx.exec("select 1/0");
        return 0;
    };
    EXPECT_THROW(transact(pool, fail), pqxx::sql_error);
    EXPECT_EQ(runs, 1);
}

TEST_F(TransactTest, ReconnectsWhenTheServerHasClosedIdleConnections) {
    {
        const auto one = pool.acquire();
        const auto two = pool.acquire();
    }
    pqxx::nontransaction tx{super};
    tx.exec(
        "select pg_terminate_backend(pid) from pg_stat_activity "
        "where datname = current_database() and pid <> pg_backend_pid()");
    EXPECT_EQ(transact(pool, [](pqxx::work& work) { return work.query_value<int>("select 7"); }),
              7);
}

TEST_F(TransactTest, ReportsACommitOfUnknownOutcomeInsteadOfRepeatingIt) {
    lose_the_next_commit();
    EXPECT_THROW(transact(pool, [&](pqxx::work& tx) { return insert(tx); }), std::exception);
    EXPECT_EQ(runs, 1);
    EXPECT_EQ(entries(), 0);
}

TEST_F(TransactTest, RepeatsACommitOfUnknownOutcomeWhenToldThatThisIsHarmless) {
    lose_the_next_commit();
    EXPECT_EQ(transact(pool, [&](pqxx::work& tx) { return insert(tx); }, {.repeatable = true}), 2);
    EXPECT_EQ(entries(), 1);
}

TEST(Pool, RefusesWhenAllConnectionsStayInUse) {
    const support::Database database{{}};
    Pool pool{{.dsn = database.dsn(), .size = 1, .wait = std::chrono::milliseconds{20}}};
    const auto held = pool.acquire();
    EXPECT_THROW(pool.acquire(), PoolExhausted);
}

TEST(Pool, HandsAConnectionOnAsSoonAsItComesBack) {
    const support::Database database{{}};
    Pool pool{{.dsn = database.dsn(), .size = 1, .wait = std::chrono::seconds{20}}};
    std::future<int> waiting;
    int backend = 0;
    {
        const auto held = pool.acquire();
        backend = (*held).backendpid();
        waiting = std::async(std::launch::async, [&] { return (*pool.acquire()).backendpid(); });
    }
    EXPECT_EQ(waiting.get(), backend);
}

TEST(Pool, BoundsEveryStatement) {
    const support::Database database{{}};
    Pool pool{{.dsn = database.dsn(), .statement_timeout = std::chrono::milliseconds{50}}};
    EXPECT_THROW(transact(pool, [](pqxx::work& tx) { return tx.exec("select pg_sleep(20)"); }),
                 pqxx::sql_error);
}

TEST(Pool, NamesItsDatabaseWithoutThePassword) {
    const Pool words{{.dsn = "host=db.example port=5433 dbname=shop user=u password=hunter2"}};
    EXPECT_EQ(words.where(), "database shop at db.example:5433");
    const Pool uri{{.dsn = "postgresql://u:hunter2@db.example/shop"}};
    EXPECT_EQ(uri.where(), "database shop at db.example:5432");
    try {
        const Pool broken{{.dsn = "hunter2"}};
        FAIL();
    } catch (const std::invalid_argument& error) {
        EXPECT_EQ(std::string{error.what()}.find("hunter2"), std::string::npos);
    }
}

}  // namespace
}  // namespace domain

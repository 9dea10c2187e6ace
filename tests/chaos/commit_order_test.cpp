// Faults 7, 8, 9 and 10: commits out of order, savepoints, prepared transactions, and writers that
// stay open.
#include <gtest/gtest.h>

#include <csignal>
#include <pqxx/pqxx>

#include "chaos/stage.hpp"
#include "chaos/writers.hpp"
#include "support/wait.hpp"

namespace chaos {
namespace {

class CommitOrder : public testing::Test {
protected:
    void commit_one(const std::string& key) {
        Transaction one{stage_.writer_dsn(), journal_};
        one.begin();
        one.append(key);
        one.commit();
    }
    int number(const char* sql) {
        pqxx::connection connection{stage_.database().dsn()};
        return pqxx::nontransaction{connection}.query_value<int>(sql);
    }
    void expect_sound() {
        stage_.await_drained();
        const Verdict verdict = stage_.verdict(journal_);
        EXPECT_TRUE(verdict.sound()) << verdict;
        EXPECT_EQ(verdict.repeated, 0U) << verdict;
    }

    Stage stage_;
    Journal journal_;
};

TEST_F(CommitOrder, PublishesALateCommitAfterItsSuccessors) {
    auto relay = stage_.relay();
    Transaction late{stage_.writer_dsn(), journal_};
    late.begin();
    late.append("account-1");
    commit_one("account-2");
    stage_.await_published(1);  // F: a successor has overtaken it
    late.commit();
    commit_one("account-3");
    stage_.await_published(2);
    expect_sound();
}

// A snapshot's xmax is one above the newest xid that has ended: a running transaction beyond it is
// not listed in the snapshot, although its events have lower seqs than others seen by then.
TEST_F(CommitOrder, KeepsARunningTransactionThatTheSnapshotDoesNotList) {
    // A long lease, as its renewals take xids, and so push the xmax up.
    auto relay =
        stage_.relay({{"POSTROOM_RELAY_IDLE_MS", "60000"}, {"POSTROOM_RELAY_LEASE_MS", "60000"}});
    commit_one("account-3");
    stage_.await_published(1);  // awake, and polling every millisecond from here on
    Transaction older{stage_.writer_dsn(), journal_};
    Transaction newest{stage_.writer_dsn(), journal_};
    // Anything else that ends a transaction meanwhile lists the newest after all: hence some
    // rounds.
    for (int round = 0; round < 8; ++round) {
        const auto before = stage_.published();
        older.begin();
        older.append("account-1");
        newest.begin();
        newest.append("account-2");
        older.hold(std::chrono::milliseconds{100});
        older.commit();
        const bool arrived = support::happens_within(std::chrono::seconds{10},
                                                     [&] { return stage_.published() > before; });
        newest.commit();
        stage_.await_drained();
        if (!arrived) break;  // the verdict says what is lost
    }
    expect_sound();
}

TEST_F(CommitOrder, PublishesWhatASavepointKeptAndNothingThatItTookBack) {
    auto relay = stage_.relay();
    Transaction partial{stage_.writer_dsn(), journal_};
    for (int turn = 1; turn <= 20; ++turn) {
        partial.begin();
        partial.append("account-1");
        partial.savepoint();
        partial.append("account-1");
        partial.roll_back_to_savepoint();
        partial.append("account-1");
        partial.commit();
    }
    EXPECT_EQ(journal_.count(Outcome::aborted), 20U);  // F
    expect_sound();
}

TEST_F(CommitOrder, PublishesPreparedTransactionsWhenTheyCommit) {
    auto first = stage_.relay();
    std::vector<std::pair<std::string, std::vector<Appended>>> prepared;
    for (int i = 1; i <= 6; ++i) {
        Transaction transaction{stage_.writer_dsn(), journal_};
        transaction.begin_to_prepare();
        transaction.append("account-" + std::to_string(i));
        const std::string name = support::unique_name("prepared");
        prepared.emplace_back(name, transaction.prepare(name));
    }  // and its session ends
    commit_one("account-20");
    stage_.await_published(1);
    EXPECT_EQ(number("select count(*) from pg_prepared_xacts where database = current_database()"),
              6);
    first.signal(SIGKILL);
    ASSERT_TRUE(was_killed(first));

    for (std::size_t i = 0; i < prepared.size(); ++i) {
        const auto& [name, events] = prepared[i];
        finish_prepared(stage_.writer_dsn(), name, events,
                        i % 2 == 0 ? Outcome::committed : Outcome::aborted, journal_);
    }
    commit_one("account-21");
    auto second = stage_.relay();
    stage_.await_drained();
    const Verdict verdict = stage_.verdict(journal_);
    EXPECT_TRUE(verdict.sound()) << verdict;
    EXPECT_EQ(verdict.committed, 5U);
}

// A transaction of this database and one of another stay open, with events of their own.
class OpenWriters : public CommitOrder {
protected:
    void SetUp() override {
        create_accounts(elsewhere_, 1);
        here_.begin();
        here_.append("account-40");
        there_ = std::make_unique<Transaction>(elsewhere_.dsn("postroom_service"), other_journal_);
        there_->begin();
        there_->append("account-1");
    }
    int open_writers() {
        return number(
            "select count(*) from pg_stat_activity where state = 'idle in transaction'"
            " and backend_xid is not null and datname is not null");
    }

    support::Database elsewhere_;
    Journal other_journal_;
    Transaction here_{stage_.writer_dsn(), journal_};
    std::unique_ptr<Transaction> there_;
};

TEST_F(OpenWriters, DelayNobodyElse) {
    auto relay = stage_.relay();
    for (int n = 1; n <= 20; ++n) {
        commit_one("account-" + std::to_string(n));
        ASSERT_TRUE(support::happens_within(std::chrono::seconds{5}, [&] {
            return stage_.published() >= n;
        })) << "an open writer delays the others";
    }
    EXPECT_GE(open_writers(), 2);  // F: open all the while
    here_.commit();
    expect_sound();
}

TEST_F(OpenWriters, LeaveAMixedLoadExact) {
    auto relay = stage_.relay();
    Writers writers{stage_.database(),
                    {.seed = seed(),
                     .writers = 16,
                     .accounts = Stage::accounts - 1,
                     .rolled_back = 0.2,
                     .prepared = 0.1,
                     .with_savepoint = 0.3,
                     .longest_hold = std::chrono::milliseconds{20}},
                    journal_};
    EXPECT_FALSE(support::happens_within(load_time(), [&] { return !relay.running(); }));
    writers.stop();
    EXPECT_GE(open_writers(), 2);
    EXPECT_GT(journal_.count(Outcome::aborted), 0U);
    here_.commit();
    expect_sound();
}

}  // namespace
}  // namespace chaos

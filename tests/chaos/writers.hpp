// Transactions that change accounts and append their events, journalled; one at a time, or many at
// once.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <exception>
#include <optional>
#include <pqxx/pqxx>
#include <string>
#include <thread>
#include <vector>

#include "chaos/journal.hpp"
#include "support/database.hpp"

namespace chaos {

// What the environment says, or else that.
int number_given(const char* variable, int otherwise);
// POSTROOM_SEED, or a random one; printed, so that a failure can be replayed.
std::uint64_t seed();
// How long a load lasts: POSTROOM_CHAOS_SECONDS, or a few.
std::chrono::seconds load_time();

// The business table that the transactions change: account(key, version), with so many rows.
void create_accounts(const support::Database& database, int count);

// A transaction with its own connection. Not thread-safe.
class Transaction {
public:
    Transaction(const std::string& dsn, Journal& journal);
    ~Transaction();  // rolls back what was not finished
    Transaction(const Transaction&) = delete;
    Transaction& operator=(const Transaction&) = delete;

    void begin();
    // Without the doorbell: PostgreSQL prepares no transaction that has notified.
    void begin_to_prepare();
    // Locks the account, then appends; under an id of one's own, if given.
    void append(const std::string& key, const std::optional<std::string>& id = std::nullopt);
    void insert(const std::string& key);  // the same by a plain INSERT
    void savepoint();
    void roll_back_to_savepoint();
    void hold(std::chrono::milliseconds time);  // leaves it open, busy on the server
    void commit();
    void roll_back();
    std::vector<Appended> prepare(
        const std::string& name);  // PREPARE TRANSACTION: out of our hands

private:
    void add(const char* sql, const pqxx::params& parameters, const std::string& key);
    void finish(Outcome outcome);

    pqxx::connection connection_;
    pqxx::nontransaction session_;
    Journal& journal_;
    bool open_ = false;
    std::vector<Appended> appended_;
    std::size_t savepoint_ = 0;
};

// COMMIT PREPARED or ROLLBACK PREPARED, from any session.
void finish_prepared(const std::string& dsn, const std::string& name,
                     const std::vector<Appended>& events, Outcome outcome, Journal& journal);

struct Load {
    std::uint64_t seed;
    int writers = 8;
    int accounts = 40;
    double rolled_back = 0.1;  // the rest commits
    double prepared = 0.0;
    double with_savepoint = 0.2;
    std::chrono::milliseconds longest_hold{5};
    bool reconnects = false;  // a lost connection ends a transaction, not the writer
};

// Runs the load from construction to stop(). Thread-safe journal; errors surface in stop().
class Writers {
public:
    Writers(const support::Database& database, const Load& load, Journal& journal);
    void stop();

private:
    class Dice;
    void write(const std::stop_token& stop, int number);
    void write_connected(const std::stop_token& stop, Dice& dice);

    std::string dsn_;
    Load load_;
    Journal& journal_;
    std::vector<std::exception_ptr> errors_;
    std::vector<std::jthread> threads_;
};

}  // namespace chaos

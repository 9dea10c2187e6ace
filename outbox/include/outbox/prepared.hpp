// Statements that a session parses and plans once, at their first use, not at each.
//
//   pqxx::connection connection{dsn};
//   outbox::PreparedStatements prepared{connection};
//   …
//   pqxx::work tx{connection};
//   outbox::append(tx, event);                                  // parsed at the first only
//   outbox::exec(tx, "update account …", pqxx::params{10, 7});  // so is a statement of your own
//
// A Consumer does so in its own sessions, and its handlers' appends gain by it. Not for a
// connection to a pooler that hands each transaction another session and cannot carry prepared
// statements along (PgBouncer does since 1.21, with max_prepared_statements set).
#pragma once

#include <pqxx/connection>
#include <pqxx/params>
#include <pqxx/result>
#include <pqxx/transaction_base>
#include <pqxx/zview>
#include <string>
#include <unordered_map>

namespace outbox {

// Held beside a connection, which must outlive it. The two are used by one thread at a time;
// different ones are independent.
class PreparedStatements {
public:
    explicit PreparedStatements(pqxx::connection& connection);
    ~PreparedStatements();
    PreparedStatements(const PreparedStatements&) = delete;
    PreparedStatements& operator=(const PreparedStatements&) = delete;

private:
    friend pqxx::result exec(pqxx::transaction_base&, pqxx::zview, const pqxx::params&);

    const pqxx::connection& connection_;
    std::unordered_map<std::string, bool> names_;  // and whether it has worked
    int generation_ = 0;
};

// Executes one statement: prepared where PreparedStatements are held, as tx.exec() else. A session
// keeps each text for good, so values belong into the parameters. Errors: those of tx.exec(), but
// pqxx::serialization_failure, as a repeated transaction succeeds, where a migration has changed
// what a statement returns ("cached plan must not change result type").
pqxx::result exec(pqxx::transaction_base& tx, pqxx::zview sql, const pqxx::params& values = {});

// Whether PreparedStatements are held beside the transaction's connection.
bool is_prepared(const pqxx::transaction_base& tx);

}  // namespace outbox

// One transaction around a function, repeated where that is safe.
//
//   return transact(pool, [&](pqxx::work& tx) -> tl::expected<OrderId, Refusal> { … });
//   return query(pool, [&](auto& tx) { return store::find(tx, id); });  // that only reads
//
// Commits, unless the function returns a Refusal or throws: then nothing of it stays. Runs the
// function again, a bounded number of times with growing pauses, when PostgreSQL has certainly
// rolled it back (serialization failure, deadlock) or lost the connection before COMMIT was sent. A
// connection lost *during* COMMIT leaves the outcome unknown: it is repeated only when the caller
// says that a repeat finds what the first try did. Past this thread's Deadline nothing is repeated.
#pragma once

#include <exception>
#include <pqxx/nontransaction>
#include <pqxx/transaction>
#include <type_traits>

#include "domain/deadline.hpp"
#include "domain/pool.hpp"

namespace domain {

struct TransactOptions {
    int attempts = 5;
    bool repeatable = false;  // a second run after an unknown outcome does no harm
};

// Of what a process asks once, at its start: a server that is killed meanwhile is waited for, some
// 15 s.
constexpr int start_attempts = 10;

enum class Phase { work, commit };
bool is_retryable(const std::exception& error, Phase phase, const TransactOptions& options);
bool is_connection_loss(const std::exception& error);
void pause_before(int attempt);

template <class Transaction = pqxx::work, class Function>
auto transact(Pool& pool, Function&& function, TransactOptions options = {}) {
    for (int attempt = 1;; ++attempt) {
        auto phase = Phase::work;
        try {
            const auto connection = pool.acquire();
            Transaction tx{*connection};
            auto result = function(tx);
            if constexpr (requires { result.error(); }) {
                if (!result.has_value()) return result;
            }
            phase = Phase::commit;
            tx.commit();
            return result;
        } catch (const std::exception& error) {
            if (is_connection_loss(error)) pool.drop_idle();
            if (attempt == options.attempts || Deadline::is_over() ||
                !is_retryable(error, phase, options)) {
                throw;
            }
        }
        pause_before(attempt + 1);
    }
}

// The same around queries that change nothing: each sees what is committed at its own beginning, as
// within a transaction, and no BEGIN and COMMIT go to and fro with them.
template <class Function>
auto query(Pool& pool, Function&& function, int attempts = TransactOptions{}.attempts) {
    return transact<pqxx::nontransaction>(pool, function,
                                          {.attempts = attempts, .repeatable = true});
}

}  // namespace domain

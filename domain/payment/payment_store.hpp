// SQL of the payment service. Every function works inside the caller's transaction.
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <pqxx/transaction_base>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "domain/participant.hpp"
#include "domain/payment/payment.hpp"

namespace domain::payment::store {

// The most that one payment may take, in each currency that is supported.
std::map<Currency, Money> limits(pqxx::transaction_base& tx);

// Locks the rows until the transaction ends.
std::map<PaymentId, Payment> lock(pqxx::transaction_base& tx, const std::set<PaymentId>& ids);

std::optional<Payment> find(pqxx::transaction_base& tx, PaymentId id);

// Payments that were not there. Waits for another transaction that inserts one of them, and throws
// serialization_failure: it is there now.
void insert(pqxx::transaction_base& tx, std::span<const Payment> payments);

// What may change of them; the provider is due at once for those that wait for it.
void save(pqxx::transaction_base& tx, std::span<const Payment> payments);

// Of each payment that waits for the provider its last command, for the replies to come; wakes a
// teller. Nothing is kept of a payment that never waited.
void keep(pqxx::transaction_base& tx, const std::map<PaymentId, Command>& commands);
std::optional<Command> kept(pqxx::transaction_base& tx, PaymentId id);

// Payments for which the provider is due, at most `most`; nobody else gets them until the lease has
// run out.
std::vector<Payment> claim(pqxx::transaction_base& tx, std::string_view provider, int most,
                           std::chrono::milliseconds lease);
// Of a claimed one whose call failed: due after first_backoff, doubled for each call so far.
void postpone(pqxx::transaction_base& tx, PaymentId id, std::chrono::milliseconds first_backoff);

// How many have waited for their provider for longer than that, by status.
std::map<std::string, double> overdue(pqxx::transaction_base& tx, std::chrono::seconds limit);

}  // namespace domain::payment::store

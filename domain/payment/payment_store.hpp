// SQL of the payment service. Every function works inside the caller's transaction.
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <pqxx/transaction_base>
#include <string>
#include <string_view>
#include <vector>

#include "domain/participant.hpp"
#include "domain/payment/payment.hpp"

namespace domain::payment::store {

Limit limit(pqxx::transaction_base& tx, Currency currency);

// False, and nothing inserted, when the purchase has its payment already, or a tombstone of it.
// Waits for another transaction that inserts one.
bool insert(pqxx::transaction_base& tx, const Payment& payment);

std::optional<Payment> find(pqxx::transaction_base& tx, PaymentId id);

// Locks the row until the transaction ends.
std::optional<Payment> lock(pqxx::transaction_base& tx, PaymentId id);

// What may change of it; the provider is due at once if the payment waits for it.
void save(pqxx::transaction_base& tx, const Payment& payment);

// The command that waits for the provider, for the replies to come; wakes a teller. Nothing is kept
// of a payment that never waited.
void keep(pqxx::transaction_base& tx, const Command& command);
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

// What can be done about payments: demands arrive as events, answers leave as events. Thread-safe.
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <pqxx/transaction_base>
#include <span>
#include <string>
#include <variant>

#include "domain/participant.hpp"
#include "domain/payment/payment_events.hpp"
#include "domain/payment/provider.hpp"
#include "domain/pool.hpp"

namespace domain::payment {

// The saga's commands.
struct Create {
    Demand demand;
    Command command;
};
struct RollBack {
    Command command;
};
using Input = std::variant<Create, RollBack>;

// In their order, in the consumer's transaction: done as far as the provider can at once, and
// answered by a Reply when it has decided. A command that comes again, under whatever event id,
// gets its first answer again.
void hear(pqxx::transaction_base& tx, std::span<const Input> inputs, Provider& provider);

// What the provider has said later, by itself (a webhook) or when a teller called it: however often
// and in whatever order, the payment ends in one state, and each command gets one answer. Nothing
// happens to a payment that is not there, or that no provider was asked for.
void settle(pqxx::transaction_base& tx, PaymentId id, const Verdict& verdict);
void settle_refund(pqxx::transaction_base& tx, PaymentId id);

std::optional<Payment> find(Pool& pool, PaymentId id);

// How many have waited for their provider for longer than that, by status: PENDING, REFUNDING.
std::map<std::string, double> overdue(Pool& pool, std::chrono::seconds limit);

}  // namespace domain::payment

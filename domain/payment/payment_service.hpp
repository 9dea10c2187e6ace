// What can be done about payments: demands arrive as events, answers leave as events. Thread-safe.
#pragma once

#include <optional>
#include <pqxx/transaction_base>

#include "domain/payment/payment_events.hpp"
#include "domain/pool.hpp"
#include "domain/trace.hpp"

namespace domain::payment {

// Takes or declines, and appends the answer, in the consumer's transaction. An order that comes
// again under another event id gets the first answer again: nothing is taken twice.
void answer(pqxx::transaction_base& tx, const Demand& demand, const Trace& trace);

std::optional<Payment> find(Pool& pool, PaymentId id);

}  // namespace domain::payment

// What can be done to orders, by events in the consumer's transaction. Thread-safe.
#pragma once

#include <optional>
#include <pqxx/transaction_base>
#include <tl/expected.hpp>

#include "domain/order/order_events.hpp"
#include "domain/order/order_store.hpp"
#include "domain/participant.hpp"
#include "domain/pool.hpp"

namespace domain::order {

std::optional<store::View> find(Pool& pool, OrderId id);

// The saga's commands: done, and answered by a Reply, in the consumer's transaction. A command that
// comes again, under whatever event id, gets its first answer again.
void create(pqxx::transaction_base& tx, const CreateOrder& order, const Command& command);
void roll_back(pqxx::transaction_base& tx, const Command& command);

// How the saga ended. Refused when the order has ended the other way, or does not exist although
// its purchase is complete.
tl::expected<void, Refusal> apply(pqxx::transaction_base& tx, const PurchaseResult& event);

}  // namespace domain::order

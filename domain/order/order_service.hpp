// What can be done to orders, by events in the consumer's transaction. Thread-safe.
#pragma once

#include <optional>
#include <pqxx/transaction_base>
#include <span>
#include <tl/expected.hpp>
#include <variant>

#include "domain/order/order_events.hpp"
#include "domain/order/order_store.hpp"
#include "domain/participant.hpp"
#include "domain/pool.hpp"

namespace domain::order {

std::optional<store::View> find(Pool& pool, OrderId id);

// What events ask of orders.
struct Create {
    CreateOrder order;
    Command command;
};
struct RollBack {
    Command command;
};
using Input = std::variant<Create, RollBack, PurchaseResult>;

// In their order, in the consumer's transaction: commands are done and answered by a Reply; one
// that comes again, under whatever event id, gets its first answer again. Refused, to be rolled
// back, when a purchase ended and its order has ended the other way, or does not exist although the
// purchase is complete.
tl::expected<void, Refusal> hear(pqxx::transaction_base& tx, std::span<const Input> inputs);

}  // namespace domain::order

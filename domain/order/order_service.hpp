// What can be done to orders: one transaction a command, and the events in the consumer's
// transaction. Thread-safe.
#pragma once

#include <optional>
#include <pqxx/transaction_base>
#include <tl/expected.hpp>

#include "domain/order/order_events.hpp"
#include "domain/order/order_store.hpp"
#include "domain/participant.hpp"
#include "domain/pool.hpp"
#include "domain/trace.hpp"

namespace domain::order {

class OrderService {
public:
    OrderService(Pool& pool, IdMaker make_id);

    // Stores the order and OrderPlaced together. A repeated idempotency key answers with the first
    // order, and is refused (reused_key) when that one was another request.
    tl::expected<OrderId, Refusal> place(const PlaceOrder& command, const Trace& trace);

    std::optional<store::View> find(OrderId id);

private:
    Pool& pool_;
    IdMaker make_id_;
};

// How a payment ended, applied once by the consumer's inbox. Refused when the order does not exist,
// or has ended the other way.
tl::expected<void, Refusal> apply(pqxx::transaction_base& tx, const PaymentTaken& event);
tl::expected<void, Refusal> apply(pqxx::transaction_base& tx, const PaymentDeclined& event);

// The saga's commands: done, and answered by a Reply, in the consumer's transaction. A command that
// comes again, under whatever event id, gets its first answer again.
void create(pqxx::transaction_base& tx, const CreateOrder& order, const Command& command);
void roll_back(pqxx::transaction_base& tx, const Command& command);

// How the saga ended. Refused when the order has ended the other way, or does not exist although
// its purchase is complete.
tl::expected<void, Refusal> apply(pqxx::transaction_base& tx, const PurchaseResult& event);

}  // namespace domain::order

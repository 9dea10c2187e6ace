#include "domain/order/order_service.hpp"

#include <format>
#include <outbox/append.hpp>

#include "domain/transact.hpp"

namespace domain::order {
namespace {

tl::expected<OrderId, Refusal> repeat(const Order& first, const PlaceOrder& command) {
    if (fulfils(first, command)) return first.id;
    return tl::unexpected(Refusal{Refusal::Reason::reused_key,
                                  "this Idempotency-Key was used for another purchase",
                                  "Idempotency-Key"});
}

outbox::Event placed_event(const Order& order, const Trace& trace) {
    return {.aggregate_type = "order",
            .aggregate_id = std::to_string(order.id.value),
            .type = "OrderPlaced",
            .content = outbox::Json{order_placed(order)},
            .headers = trace.headers()};
}

template <class Decide>
tl::expected<void, Refusal> settle(pqxx::transaction_base& tx, OrderId id, Decide decide) {
    const auto order = store::lock(tx, id);
    if (!order) {
        return tl::unexpected(
            Refusal{Refusal::Reason::unknown, std::format("there is no order {}", id.value)});
    }
    return decide(*order).map([&](const Order& settled) {
        if (settled != *order) store::save_status(tx, settled);
    });
}

constexpr auto rolled_back = "the purchase was rolled back";

void answer(pqxx::transaction_base& tx, const Command& command,
            const tl::expected<void, Refusal>& outcome) {
    outbox::append(tx, reply(command, outcome));
}

}  // namespace

OrderService::OrderService(Pool& pool, IdMaker make_id)
    : pool_(pool), make_id_(std::move(make_id)) {}

tl::expected<OrderId, Refusal> OrderService::place(const PlaceOrder& command, const Trace& trace) {
    const auto id = OrderId{make_id_()};
    const auto& key = command.idempotency_key;
    const auto run = [&](pqxx::work& tx) -> tl::expected<OrderId, Refusal> {
        if (!key.empty()) {
            if (const auto first = store::find_by_key(tx, command.customer, key)) {
                return repeat(*first, command);
            }
        }
        const auto order = order::place(id, command, store::prices(tx, command));
        if (!order) return tl::unexpected(order.error());
        if (!store::insert(tx, *order, key)) {
            return repeat(store::find_by_key(tx, command.customer, key).value(), command);
        }
        outbox::append(tx, placed_event(*order, trace));
        return id;
    };
    // With a key, a second run after an unknown outcome finds what the first one committed.
    return transact(pool_, run, {.repeatable = !key.empty()});
}

std::optional<store::View> OrderService::find(OrderId id) {
    return transact(pool_, [&](pqxx::work& tx) { return store::view(tx, id); });
}

tl::expected<void, Refusal> apply(pqxx::transaction_base& tx, const PaymentTaken& event) {
    return settle(tx, event.order, [](const Order& order) { return pay(order); });
}

tl::expected<void, Refusal> apply(pqxx::transaction_base& tx, const PaymentDeclined& event) {
    return settle(tx, event.order, [&](const Order& order) { return cancel(order, event.reason); });
}

void create(pqxx::transaction_base& tx, const CreateOrder& order, const Command& command) {
    if (const auto before = store::lock(tx, order.id)) {
        return answer(tx, command, created_before(*before));
    }
    const auto created = create(order);
    if (created && !store::insert_created(tx, *created, order.products)) {
        return answer(tx, command, created_before(store::lock(tx, order.id).value()));
    }
    answer(tx, command, created.map([](const Order&) {}));
}

void roll_back(pqxx::transaction_base& tx, const Command& command) {
    const OrderId id{command.id.value};
    // The tombstone first: an order that comes at this moment waits for it, or it for the order.
    if (store::insert_created(tx, tombstone(id), {})) return answer(tx, command, {});
    answer(tx, command,
           settle(tx, id, [](const Order& order) { return cancel(order, rolled_back); }));
}

tl::expected<void, Refusal> apply(pqxx::transaction_base& tx, const PurchaseResult& event) {
    if (!event.success) return {};
    if (*event.success) return settle(tx, event.order, pay);
    // A purchase that failed before its order was to be created has none.
    if (!store::lock(tx, event.order)) return {};
    return settle(tx, event.order, [](const Order& order) { return cancel(order, rolled_back); });
}

}  // namespace domain::order

#include "domain/order/order_service.hpp"

#include <format>
#include <outbox/append.hpp>

#include "domain/transact.hpp"

namespace domain::order {
namespace {

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

std::optional<store::View> find(Pool& pool, OrderId id) {
    return transact(pool, [&](pqxx::work& tx) { return store::view(tx, id); });
}

void create(pqxx::transaction_base& tx, const CreateOrder& order, const Command& command) {
    if (const auto before = store::lock(tx, order.id)) {
        return answer(tx, command, created_before(*before));
    }
    const auto created = create(order);
    if (created && !store::insert(tx, *created, order.products)) {
        return answer(tx, command, created_before(store::lock(tx, order.id).value()));
    }
    answer(tx, command, created.map([](const Order&) {}));
}

void roll_back(pqxx::transaction_base& tx, const Command& command) {
    const OrderId id{command.id.value};
    // The tombstone first: an order that comes at this moment waits for it, or it for the order.
    if (store::insert(tx, tombstone(id), {})) return answer(tx, command, {});
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

#include "domain/product/stock_service.hpp"

#include <outbox/append.hpp>

#include "domain/product/stock_store.hpp"

namespace domain::product {
namespace {

tl::expected<void, Refusal> take_stock(pqxx::transaction_base& tx, PurchaseId id,
                                       const std::vector<Line>& lines) {
    const auto wanted = total(lines);
    if (!wanted) return tl::unexpected(wanted.error());
    const auto left = take(*wanted, store::lock_inventories(tx, *wanted));
    if (!left) return tl::unexpected(left.error());
    store::reserve(tx, id, *wanted, *left);
    return {};
}

}  // namespace

void reserve(pqxx::transaction_base& tx, const std::vector<Line>& lines, const Command& command) {
    store::enter(tx);
    tl::expected<void, Refusal> outcome;
    if (store::begin(tx, command.id)) {
        outcome = take_stock(tx, command.id, lines);
        if (!outcome) store::refuse(tx, command.id, outcome.error().detail);
    } else if (auto refusal = store::answer(tx, command.id); !refusal.empty()) {
        outcome = tl::unexpected(Refusal{Refusal::Reason::conflict, std::move(refusal)});
    }
    outbox::append(tx, reply(command, outcome));
}

void roll_back(pqxx::transaction_base& tx, const Command& command) {
    store::enter(tx);
    if (!store::bury(tx, command.id, "the purchase was rolled back before")) {
        store::give_back(tx, command.id);
    }
    outbox::append(tx, reply(command, {}));
}

}  // namespace domain::product

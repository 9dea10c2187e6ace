#include "domain/product/stock_service.hpp"

#include <outbox/append.hpp>

#include "domain/product/stock_store.hpp"

namespace domain::product {
namespace {

// Empty, or why nothing is reserved.
std::string reserve(pqxx::transaction_base& tx, const UpdateInventory& command) {
    const auto wanted = total(command.lines);
    if (!wanted) return wanted.error().detail;
    const auto left = take(*wanted, store::lock_inventories(tx, *wanted));
    if (!left) return left.error().detail;
    store::reserve(tx, command.id, *wanted, *left);
    return {};
}

void answer(pqxx::transaction_base& tx, const Reply& reply, const char* handler,
            const Trace& trace) {
    auto headers = trace.headers();
    headers.emplace("handler", handler);
    const auto now = std::chrono::system_clock::now();
    outbox::append(tx, {.aggregate_type = "reply",
                        .aggregate_id = std::to_string(reply.id.value),
                        .type = "Reply",
                        .content = outbox::Json{reply_json(reply, now)},
                        .headers = std::move(headers)});
}

}  // namespace

void apply(pqxx::transaction_base& tx, const UpdateInventory& command, const Trace& trace) {
    store::enter(tx);
    std::string refusal;
    if (store::begin(tx, command.id)) {
        refusal = reserve(tx, command);
        if (!refusal.empty()) store::refuse(tx, command.id, refusal);
    } else {
        refusal = store::answer(tx, command.id);
    }
    answer(tx, {command.id, command.purchase, refusal}, "UpdateProductInventory", trace);
}

void apply(pqxx::transaction_base& tx, const RollbackInventory& command, const Trace& trace) {
    store::enter(tx);
    if (!store::bury(tx, command.id, "the purchase was rolled back before")) {
        store::give_back(tx, command.id);
    }
    answer(tx, {command.id, command.purchase, ""}, "RollbackProductInventory", trace);
}

}  // namespace domain::product

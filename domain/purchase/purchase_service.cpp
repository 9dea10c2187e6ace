#include "domain/purchase/purchase_service.hpp"

#include <format>
#include <outbox/append.hpp>

#include "domain/transact.hpp"
#include "faults.hpp"

namespace domain::purchase {
namespace {

tl::expected<PurchaseId, Refusal> repeat(const Purchase& first, const PlacePurchase& command) {
    if (fulfils(first, command)) return first.id;
    return tl::unexpected(Refusal{Refusal::Reason::reused_key,
                                  "this Idempotency-Key was used for another purchase",
                                  "Idempotency-Key"});
}

outbox::Event created(const Purchase& purchase, const Trace& trace) {
    const auto now =
        std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now());
    return {.aggregate_type = "purchase",
            .aggregate_id = std::to_string(purchase.id.value),
            .type = "CreatePurchase",
            .content = outbox::Json{create_purchase(purchase, now)},
            .headers = trace.headers()};
}

}  // namespace

PurchaseService::PurchaseService(Pool& pool, IdMaker make_id)
    : pool_(pool), make_id_(std::move(make_id)) {}

tl::expected<std::optional<PurchaseId>, Refusal> PurchaseService::find_first(
    const PlacePurchase& command) {
    using Found = tl::expected<std::optional<PurchaseId>, Refusal>;
    if (command.idempotency_key.empty()) return std::nullopt;
    return query(pool_, [&](auto& tx) -> Found {
        const auto first = store::find_by_key(tx, command.customer, command.idempotency_key);
        if (!first) return std::nullopt;
        return repeat(first->purchase, command);
    });
}

tl::expected<PurchaseId, Refusal> PurchaseService::place(const PlacePurchase& command,
                                                         const Offers& offers, const Trace& trace) {
    const auto purchase = purchase::place(PurchaseId{make_id_()}, command, offers);
    if (!purchase) {
        // The request that the key comes from may have been served, and the stock gone, since it
        // was looked up.
        const auto first = find_first(command);
        if (!first) return tl::unexpected(first.error());
        if (*first) return **first;
        return tl::unexpected(purchase.error());
    }
    const auto& key = command.idempotency_key;
    const auto run = [&](pqxx::work& tx) -> tl::expected<PurchaseId, Refusal> {
        if (!store::insert(tx, *purchase, faults::mutant("no_purchase_key") ? "" : key)) {
            return repeat(store::find_by_key(tx, command.customer, key).value().purchase, command);
        }
        outbox::append(tx, created(*purchase, trace));
        return purchase->id;
    };
    // With a key, a second run after an unknown outcome finds what the first one committed.
    return transact(pool_, run, {.repeatable = !key.empty()});
}

std::optional<store::View> PurchaseService::find(PurchaseId id, CustomerId customer) {
    auto view = query(pool_, [&](auto& tx) { return store::find(tx, id); });
    if (view && view->purchase.customer != customer && !faults::mutant("any_owner"))
        return std::nullopt;
    return view;
}

std::optional<PurchaseId> PurchaseService::newest(CustomerId customer) {
    return query(pool_, [&](auto& tx) { return store::newest(tx, customer); });
}

std::vector<store::Event> PurchaseService::events(PurchaseId id, std::int64_t after, int limit) {
    return query(pool_, [&](auto& tx) { return store::events(tx, id, after, limit); });
}

std::map<PurchaseId, std::int64_t> PurchaseService::last_seqs(const std::vector<PurchaseId>& ids) {
    return query(pool_, [&](auto& tx) { return store::last_seqs(tx, ids); });
}

int forget_events(Pool& pool, std::chrono::days keep, int most) {
    return transact(pool, [&](pqxx::work& tx) { return store::forget_events(tx, keep, most); });
}

tl::expected<void, Refusal> apply(pqxx::transaction_base& tx, std::span<const Change> changes) {
    std::set<PurchaseId> ids;
    for (const auto& change : changes) ids.insert(change.id);
    auto places = store::lock(tx, ids);
    std::vector<store::Event> events;
    for (const auto& change : changes) {
        const auto found = places.find(change.id);
        if (found == places.end()) {
            return tl::unexpected(Refusal{Refusal::Reason::unknown,
                                          std::format("there is no purchase {}", change.id.value)});
        }
        auto& [state, last_seq] = found->second;
        // A new purchase is where the first change takes it: the first step is asked for.
        const bool first = last_seq == 0;
        if (!first && !moves(state, change.state) && !faults::mutant("no_terminal_state")) continue;
        state = change.state;
        events.push_back({++last_seq, change});
    }
    store::record(tx, events);
    return {};
}

}  // namespace domain::purchase

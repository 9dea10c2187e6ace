// What can be done to purchases: one transaction a command, and the results in the consumer's
// transaction. Thread-safe.
#pragma once

#include <chrono>
#include <optional>
#include <pqxx/transaction_base>
#include <tl/expected.hpp>

#include "domain/pool.hpp"
#include "domain/purchase/purchase_events.hpp"
#include "domain/purchase/purchase_store.hpp"
#include "domain/trace.hpp"

namespace domain::purchase {

class PurchaseService {
public:
    PurchaseService(Pool& pool, IdMaker make_id);

    // The purchase that the command's idempotency key has made; nothing when the key is new, or
    // there is none. Refused (reused_key) when that was another request.
    tl::expected<std::optional<PurchaseId>, Refusal> find_first(const PlacePurchase& command);

    // Stores the purchase and CreatePurchase together. A repeated idempotency key answers as
    // find_first does.
    tl::expected<PurchaseId, Refusal> place(const PlacePurchase& command, const Offers& offers,
                                            const Trace& trace);

    // Nothing when it is another customer's.
    std::optional<store::View> find(PurchaseId id, CustomerId customer);

    std::optional<PurchaseId> newest(CustomerId customer);

    std::vector<store::Event> events(PurchaseId id, std::int64_t after, int limit);
    std::map<PurchaseId, std::int64_t> last_seqs(const std::vector<PurchaseId>& ids);

private:
    Pool& pool_;
    IdMaker make_id_;
};

// Forgets how purchases that ended longer ago than that went, but not how they ended. At most so
// many; returns how many.
int forget_events(Pool& pool, std::chrono::days keep, int most);

// What became of purchases, in order, each applied once by the consumer's inbox; what does not move
// its purchase on is passed over. Refused, to be rolled back, when there is no such purchase.
tl::expected<void, Refusal> apply(pqxx::transaction_base& tx, std::span<const Change> changes);

}  // namespace domain::purchase

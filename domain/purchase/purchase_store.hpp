// SQL of the purchase service. Every function works inside the caller's transaction.
#pragma once

#include <map>
#include <optional>
#include <pqxx/transaction_base>
#include <string>
#include <vector>

#include "domain/purchase/purchase.hpp"

namespace domain::purchase::store {

// False, and nothing inserted, when the customer has used the key before. Waits for a request of
// the same key that is still running.
bool insert(pqxx::transaction_base& tx, const Purchase& purchase,
            const std::string& idempotency_key);

// A purchase and how far it has come; its items have no names.
struct View {
    Purchase purchase;
    State state;
    std::int64_t last_seq;
};
std::optional<View> find(pqxx::transaction_base& tx, PurchaseId id);
std::optional<View> find_by_key(pqxx::transaction_base& tx, CustomerId customer,
                                const std::string& key);

// Locks the row until the transaction ends.
struct Place {
    State state;
    std::int64_t last_seq;  // 0: nothing has become of it yet
};
std::optional<Place> lock(pqxx::transaction_base& tx, PurchaseId id);

// Adds the change as the purchase's next event, and makes it its state.
void record(pqxx::transaction_base& tx, const Change& change);

struct Event {
    std::int64_t seq;
    Change change;
};
// Those after a number, in order, at most so many.
std::vector<Event> events(pqxx::transaction_base& tx, PurchaseId id, std::int64_t after, int limit);

// The number of the last event of each.
std::map<PurchaseId, std::int64_t> last_seqs(pqxx::transaction_base& tx,
                                             const std::vector<PurchaseId>& ids);

}  // namespace domain::purchase::store

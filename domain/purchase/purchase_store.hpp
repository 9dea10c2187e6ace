// SQL of the purchase service. Every function works inside the caller's transaction.
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <pqxx/transaction_base>
#include <set>
#include <span>
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

// The customer's last one.
std::optional<PurchaseId> newest(pqxx::transaction_base& tx, CustomerId customer);

// Those that there are, locked until the transaction ends.
struct Place {
    State state;
    std::int64_t last_seq;  // 0: nothing has become of it yet
};
std::map<PurchaseId, Place> lock(pqxx::transaction_base& tx, const std::set<PurchaseId>& ids);

struct Event {
    std::int64_t seq;
    Change change;
};
// Adds the events, each purchase's in their order, and makes the last one of each its state.
void record(pqxx::transaction_base& tx, std::span<const Event> events);

// Those after a number, in order, at most so many; of a purchase whose events are forgotten, the
// last.
std::vector<Event> events(pqxx::transaction_base& tx, PurchaseId id, std::int64_t after, int limit);

// The number of the last event of each.
std::map<PurchaseId, std::int64_t> last_seqs(pqxx::transaction_base& tx,
                                             const std::vector<PurchaseId>& ids);

// Of purchases that ended longer ago than that, at most of so many; returns of how many.
int forget_events(pqxx::transaction_base& tx, std::chrono::days keep, int most);

}  // namespace domain::purchase::store

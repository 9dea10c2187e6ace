// SQL of stock and of what purchases have reserved. Every function works inside the caller's
// transaction, and sends at most two statements, for however many rows.
#pragma once

#include <map>
#include <pqxx/transaction_base>
#include <set>
#include <string>

#include "domain/product/product.hpp"

namespace domain::product::store {

// Until the transaction ends, no other one changes stock, nor answers a purchase. Without it, two
// transactions that each serve a batch of purchases would lock products in orders that deadlock.
void enter(pqxx::transaction_base& tx);

// A purchase's answer, and what it took.
struct Reservation {
    std::string refusal{};  // empty: the items are reserved
    bool rolled_back = false;
    Quantities items;
};
std::map<PurchaseId, Reservation> find(pqxx::transaction_base& tx, const std::set<PurchaseId>& ids);
void insert(pqxx::transaction_base& tx, const std::map<PurchaseId, Reservation>& reservations);
void save_rolled_back(pqxx::transaction_base& tx, const std::set<PurchaseId>& ids);

// What there is of those of the products that exist. Locks their rows, ascending.
Quantities lock_inventories(pqxx::transaction_base& tx, const std::set<ProductId>& products);
void save_inventories(pqxx::transaction_base& tx, const Quantities& inventories);

}  // namespace domain::product::store

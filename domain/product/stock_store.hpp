// SQL of stock and of what purchases have reserved. Every function works inside the caller's
// transaction.
#pragma once

#include <optional>
#include <pqxx/transaction_base>
#include <string>

#include "domain/product/product.hpp"

namespace domain::product::store {

// Until the transaction ends, no other one changes stock. Without it, two transactions that each
// serve a batch of purchases would lock products in orders that deadlock.
void enter(pqxx::transaction_base& tx);

// False, and nothing inserted, when the purchase has its answer already. Waits for a transaction
// that is about to give it, and locks the row.
bool begin(pqxx::transaction_base& tx, PurchaseId id);
// The same, but answered and rolled back at once: a tombstone.
bool bury(pqxx::transaction_base& tx, PurchaseId id, const std::string& refusal);

void refuse(pqxx::transaction_base& tx, PurchaseId id, const std::string& refusal);
// Why the purchase was refused; empty when it was not. Locks its row.
std::string answer(pqxx::transaction_base& tx, PurchaseId id);

// What there is of those of the products that exist. Locks their rows, ascending.
Quantities lock_inventories(pqxx::transaction_base& tx, const Quantities& wanted);
void reserve(pqxx::transaction_base& tx, PurchaseId id, const Quantities& quantities,
             const Quantities& left);
// False, and nothing changed, when it was rolled back before.
bool give_back(pqxx::transaction_base& tx, PurchaseId id);

}  // namespace domain::product::store

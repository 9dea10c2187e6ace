// SQL of the order service. Every function works inside the caller's transaction.
#pragma once

#include <optional>
#include <pqxx/transaction_base>
#include <string>
#include <vector>

#include "domain/order/order.hpp"

namespace domain::order::store {

// The prices of those of the products that exist.
Prices prices(pqxx::transaction_base& tx, const PlaceOrder& command);

// False, and nothing inserted, when the customer has used the key before. Waits for a request of
// the same key that is still running.
bool insert(pqxx::transaction_base& tx, const Order& order, const std::string& idempotency_key);

std::optional<Order> find_by_key(pqxx::transaction_base& tx, CustomerId customer,
                                 const std::string& key);

// Locks the row until the transaction ends.
std::optional<Order> lock(pqxx::transaction_base& tx, OrderId id);

void save_status(pqxx::transaction_base& tx, const Order& order);

// False, and nothing inserted, when there is an order of this number, or its tombstone. Waits for
// another transaction that inserts one.
bool insert_created(pqxx::transaction_base& tx, const Order& order,
                    const std::vector<Product>& products);

// An order as its reader sees it: lines with what they showed of the product.
struct View {
    Order order;
    std::vector<Product> products;
};
std::optional<View> view(pqxx::transaction_base& tx, OrderId id);

}  // namespace domain::order::store

// SQL of the order service. Every function works inside the caller's transaction.
#pragma once

#include <optional>
#include <pqxx/transaction_base>
#include <string>
#include <vector>

#include "domain/order/order.hpp"

namespace domain::order::store {

// False, and nothing inserted, when there is an order of this number, or its tombstone. Waits for
// another transaction that inserts one.
bool insert(pqxx::transaction_base& tx, const Order& order, const std::vector<Product>& products);

// Locks the row until the transaction ends.
std::optional<Order> lock(pqxx::transaction_base& tx, OrderId id);

void save_status(pqxx::transaction_base& tx, const Order& order);

// An order as its reader sees it: lines with what they showed of the product.
struct View {
    Order order;
    std::vector<Product> products;
};
std::optional<View> view(pqxx::transaction_base& tx, OrderId id);

}  // namespace domain::order::store

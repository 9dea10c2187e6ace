// SQL of the order service. Every function works inside the caller's transaction.
#pragma once

#include <map>
#include <optional>
#include <pqxx/transaction_base>
#include <set>
#include <span>
#include <vector>

#include "domain/order/order.hpp"

namespace domain::order::store {

// An order as its reader sees it: lines with what they showed of the product.
struct View {
    Order order;
    std::vector<Product> products;
};
std::optional<View> view(pqxx::transaction_base& tx, OrderId id);

// Each call below takes any number of orders, and sends one statement for all of them.

// Those that there are, without their lines; locked until the transaction ends.
std::map<OrderId, Order> lock(pqxx::transaction_base& tx, const std::set<OrderId>& ids);

// New ones. Throws pqxx::serialization_failure when another transaction has inserted one of them
// since it was not to be found: do all of it again.
void insert(pqxx::transaction_base& tx, std::span<const View> orders);

void save_status(pqxx::transaction_base& tx, std::span<const Order> orders);

}  // namespace domain::order::store

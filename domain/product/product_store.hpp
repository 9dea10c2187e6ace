// SQL of products and categories. Every function works inside the caller's transaction.
#pragma once

#include <optional>
#include <pqxx/transaction_base>
#include <vector>

#include "domain/product/product.hpp"

namespace domain::product::store {

// A part of a list that ascends by id: size of those after an id, without the first offset.
struct Page {
    std::int64_t after = 0, offset = 0, size = 50;
};

void insert(pqxx::transaction_base& tx, const Category& category);
std::optional<Category> find(pqxx::transaction_base& tx, CategoryId id);
std::vector<Category> categories(pqxx::transaction_base& tx, const Page& page);

// False, and nothing inserted, when there is no such category.
bool insert(pqxx::transaction_base& tx, const Product& product);
// The product as it is then, its row locked; nothing when there is none.
std::optional<Product> update(pqxx::transaction_base& tx, ProductId id, const Changes& changes);
std::optional<Product> find(pqxx::transaction_base& tx, ProductId id);
// Those of the products that exist, ascending.
std::vector<Product> find(pqxx::transaction_base& tx, const std::vector<ProductId>& ids);
std::vector<Product> products(pqxx::transaction_base& tx, const Page& page);

}  // namespace domain::product::store

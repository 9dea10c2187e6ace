// What can be done to products and categories: one transaction a command, with its ProductChanged.
// Thread-safe.
#pragma once

#include <optional>
#include <string>
#include <tl/expected.hpp>
#include <vector>

#include "domain/pool.hpp"
#include "domain/product/product_store.hpp"
#include "domain/trace.hpp"

namespace domain::product {

class ProductService {
public:
    ProductService(Pool& pool, IdMaker make_id);

    CategoryId create(Category category);  // its id is made here
    std::optional<Category> find(CategoryId id);
    std::vector<Category> categories(const store::Page& page);

    // The id is made here. Refused (unknown) when there is no such category.
    tl::expected<ProductId, Refusal> create(Product product, const Trace& trace);
    // Refused (unknown) when there is no such product.
    tl::expected<void, Refusal> update(ProductId id, const Changes& changes, const Trace& trace);
    std::optional<Product> find(ProductId id);
    // Those that exist, ascending.
    std::vector<Product> find(const std::vector<ProductId>& ids);
    std::vector<Product> products(const store::Page& page);

private:
    Pool& pool_;
    IdMaker make_id_;
};

}  // namespace domain::product

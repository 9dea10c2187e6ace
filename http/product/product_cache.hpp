// Products as they are shown, remembered: what a sale changes apart from what it does not.
//
//   get_product_detail:ID      the answer of GET /api/v1/products/ID, but for its inventory
//   get_product_inventory:ID   a number
//
// For those who look. What is sold, and for how much, is decided by the database (product_rpc,
// stock_service). Thread-safe.
#pragma once

#include <optional>
#include <string>

#include "domain/product/product_service.hpp"
#include "http/service_cache.hpp"

namespace http::product {

class ProductCache {
public:
    // Both must outlive it.
    ProductCache(ServiceCache& cache, domain::product::ProductService& products);

    // JSON; nothing when there is none.
    std::optional<std::string> show(domain::ProductId id) const;

    tl::expected<void, domain::Refusal> update(domain::ProductId id,
                                               const domain::product::Changes& changes,
                                               const domain::Trace& trace) const;

private:
    ServiceCache& cache_;
    domain::product::ProductService& products_;
};

std::string inventory_key(domain::ProductId id);

}  // namespace http::product

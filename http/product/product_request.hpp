// Requests about products, from text to values. Each refusal names the field.
//
//   POST /api/v1/products       {"category_id": 1, "name": "Ink", "brand_name": "Quillworks",
//                                "description": "Blue", "price": 1250, "inventory": 10}
//   PUT  /api/v1/products/:id   {"name", "brand_name", "description", "price"}: those that change
//   POST /api/v1/categories     {"name": "Writing", "description": "Pens"}
//   ?after=ID&size=50 or ?offset=100&size=50
#pragma once

#include <string>
#include <tl/expected.hpp>

#include "domain/product/product.hpp"
#include "domain/product/product_store.hpp"
#include "http/message.hpp"

namespace http::product {

// Their ids are yet to be made.
tl::expected<domain::product::Product, Problem> read_product(const std::string& body);
tl::expected<domain::product::Category, Problem> read_category(const std::string& body);

// Refuses a body that changes nothing.
tl::expected<domain::product::Changes, Problem> read_changes(const std::string& body);

tl::expected<domain::product::store::Page, Problem> read_page(const Request& request);

}  // namespace http::product

// POST /api/v1/purchases, from text to command. Each refusal names the field:
// order_items[0].quantity.
//
//   {"order_items": [{"product_id": 1, "quantity": 2}], "payment": {"currency_code": "EUR"}}
//
// A product that is listed twice counts as one line of both quantities, where it is named first.
#pragma once

#include <string>
#include <string_view>
#include <tl/expected.hpp>

#include "domain/purchase/purchase.hpp"
#include "http/message.hpp"

namespace http::purchase {

tl::expected<domain::purchase::PlacePurchase, Problem> read_purchase(
    const std::string& body, std::string_view idempotency_key, domain::CustomerId customer);

}  // namespace http::purchase

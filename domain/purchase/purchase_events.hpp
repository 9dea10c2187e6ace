// The events that purchase speaks and hears, as JSON, version 1. Readers ignore fields that they do
// not know and refuse versions that they do not know. Times are RFC 3339, UTC, with milliseconds.
//
//   says   CreatePurchase  {version, timestamp, purchase_id, purchase: {order: {customer_id,
//            order_items: [{product_id, quantity, price, category_id, name, brand_name,
//            description}]}, payment: {currency_code, amount}}}
//   hears  PurchaseResult  {version, timestamp, purchase_id, status, step, success}
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <tl/expected.hpp>

#include "domain/purchase/purchase.hpp"

namespace domain::purchase {

using Time = std::chrono::sys_time<std::chrono::milliseconds>;
std::string to_text(Time time);

std::string create_purchase(const Purchase& purchase, Time now);

// The error says what is wrong with the event.
tl::expected<Change, std::string> read_purchase_result(std::string_view json);

}  // namespace domain::purchase

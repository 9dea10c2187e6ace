// The events that product speaks and hears, as JSON, version 1. Readers ignore fields that they do
// not know and refuse versions that they do not know.
//
//   says   ProductChanged           {version, timestamp, product_id, category_id, name, brand_name,
//                                    description, price, inventory}
//
// And as a participant of the purchase saga (the envelope is in domain/participant.hpp):
//
//   hears  UpdateProductInventory   {…, purchase: {order: {order_items:
//                                    [{product_id, quantity}]}}}
//          RollbackProductInventory {…}; nothing but purchase_id is read
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <vector>

#include "domain/product/product.hpp"

namespace domain::product {

using Time = std::chrono::system_clock::time_point;

std::string product_changed(const Product& product, Time now);

// The error says what is wrong with the event. Lines that cannot be reserved are none of its
// business.
tl::expected<std::vector<Line>, std::string> read_update_inventory(std::string_view json);

}  // namespace domain::product

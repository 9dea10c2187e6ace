// The events that product speaks and hears, as JSON, version 1. Readers ignore fields that they do
// not know and refuse versions that they do not know.
//
//   says   ProductChanged           {version, timestamp, product_id, category_id, name, brand_name,
//                                    description, price, inventory}
//          Reply                    {version, timestamp, purchase_id, purchase, success,
//                                    error_message}; header handler: the command's type
//   hears  UpdateProductInventory   {version, purchase_id, purchase: {order: {order_items:
//                                    [{product_id, quantity}]}}, …}
//          RollbackProductInventory {version, purchase_id, …}
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

struct UpdateInventory {
    PurchaseId id;
    std::string purchase;  // JSON, which the reply repeats as it came
    std::vector<Line> lines;
};
struct RollbackInventory {
    PurchaseId id;
    std::string purchase;  // null when the command has none: the reservation knows its items
};

// The error says what is wrong with the event. Lines that cannot be reserved are none of its
// business.
tl::expected<UpdateInventory, std::string> read_update_inventory(std::string_view json);
tl::expected<RollbackInventory, std::string> read_rollback_inventory(std::string_view json);

struct Reply {
    PurchaseId id;
    const std::string& purchase;
    std::string error_message;  // empty: success
};
std::string reply_json(const Reply& reply, Time now);

}  // namespace domain::product

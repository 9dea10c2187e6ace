// The events that order hears as a participant of the purchase saga, as JSON, version 1 (the
// envelope is in domain/participant.hpp). Readers ignore fields that they do not know and refuse
// versions that they do not know.
//
//   hears  CreateOrder     {…, purchase: {order: {customer_id, order_items: [{product_id, quantity,
//                          price, category_id, name, brand_name, description}]},
//                          payment: {currency_code, amount}}}; an item may lack price and what
//                          follows it
//          RollbackOrder   {the same}; nothing but purchase_id is read
//          PurchaseResult  {purchase_id, success: true, false, or null while the saga is under way}
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <tl/expected.hpp>

#include "domain/order/order.hpp"

namespace domain::order {

// The error says what is wrong with the event.
tl::expected<CreateOrder, std::string> read_create_order(std::string_view json);

struct PurchaseResult {
    OrderId order;
    std::optional<bool> success;  // none: the saga goes on
};
tl::expected<PurchaseResult, std::string> read_purchase_result(std::string_view json);

}  // namespace domain::order

// The events that order speaks and hears, as JSON, version 1. Readers ignore fields that they do
// not know and refuse versions that they do not know.
//
//   says   OrderPlaced     {version, order_id, customer_id, currency_code, amount, items:
//   [{product_id, quantity, price}]} hears  PaymentTaken    {version, payment_id, order_id, …}
//          PaymentDeclined {version, order_id, reason, …}
//
// And as a participant of the purchase saga (the envelope is in domain/participant.hpp):
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

std::string order_placed(const Order& order);

struct PaymentTaken {
    OrderId order;
};
struct PaymentDeclined {
    OrderId order;
    std::string reason;
};

// The error says what is wrong with the event.
tl::expected<PaymentTaken, std::string> read_payment_taken(std::string_view json);
tl::expected<PaymentDeclined, std::string> read_payment_declined(std::string_view json);

tl::expected<CreateOrder, std::string> read_create_order(std::string_view json);

struct PurchaseResult {
    OrderId order;
    std::optional<bool> success;  // none: the saga goes on
};
tl::expected<PurchaseResult, std::string> read_purchase_result(std::string_view json);

}  // namespace domain::order

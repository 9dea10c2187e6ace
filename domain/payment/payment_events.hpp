// The events that payment speaks and hears, as JSON, version 1. Readers ignore fields that they do
// not know and refuse versions that they do not know.
//
//   hears  OrderPlaced     {version, order_id, customer_id, currency_code, amount, …}
//   says   PaymentTaken    {version, payment_id, order_id, customer_id, currency_code, amount}
//          PaymentDeclined {the same, and reason}
//
// And as a participant of the purchase saga (the envelope is in domain/participant.hpp):
//
//   hears  CreatePayment   {…, purchase: {order: {customer_id, …},
//                          payment: {currency_code, amount}}}
//          RollbackPayment {the same}; nothing but purchase_id is read
#pragma once

#include <string>
#include <string_view>
#include <tl/expected.hpp>

#include "domain/payment/payment.hpp"

namespace domain::payment {

// The error says what is wrong with the event.
tl::expected<Demand, std::string> read_order_placed(std::string_view json);
tl::expected<Demand, std::string> read_create_payment(std::string_view json);

// The type of the event that tells of the payment, and its JSON.
std::string_view event_type(const Payment& payment);
std::string event_json(const Payment& payment);

}  // namespace domain::payment

// The events that payment hears as a participant of the purchase saga, as JSON, version 1 (the
// envelope is in domain/participant.hpp). Readers ignore fields that they do not know and refuse
// versions that they do not know.
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
tl::expected<Demand, std::string> read_create_payment(std::string_view json);

}  // namespace domain::payment

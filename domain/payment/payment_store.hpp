// SQL of the payment service. Every function works inside the caller's transaction.
#pragma once

#include <optional>
#include <pqxx/transaction_base>

#include "domain/payment/payment.hpp"

namespace domain::payment::store {

Limit limit(pqxx::transaction_base& tx, Currency currency);

// False, and nothing inserted, when the order has its payment already.
bool insert(pqxx::transaction_base& tx, const Payment& payment);

std::optional<Payment> find(pqxx::transaction_base& tx, PaymentId id);

}  // namespace domain::payment::store

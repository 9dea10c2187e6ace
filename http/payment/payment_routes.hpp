// Payment over HTTP, and the events that payment hears.
//
//   GET /api/v1/payments/:id   200 {id, customer_id, amount, currency_code, status};
//                              with accounts 401 without a token, 404 for another's payment
#pragma once

#include <outbox/consumer.hpp>

#include "domain/pool.hpp"
#include "http/dispatcher.hpp"

namespace http::payment {

// The pool must outlive the dispatcher's last request. Without authenticate, in a shop that has no
// accounts, everybody may read every payment.
void add_routes(Dispatcher& dispatcher, domain::Pool& pool, const Authenticate& authenticate);

void subscribe(outbox::Consumer& consumer);

}  // namespace http::payment

// Payment over HTTP, and the events that payment hears.
//
//   GET /api/v1/payments/:id   200 {id, customer_id, amount, currency_code, status}
#pragma once

#include <outbox/consumer.hpp>

#include "domain/pool.hpp"
#include "http/dispatcher.hpp"

namespace http::payment {

// The pool must outlive the dispatcher's last request.
void add_routes(Dispatcher& dispatcher, domain::Pool& pool);

void subscribe(outbox::Consumer& consumer);

}  // namespace http::payment

// Payment over HTTP.
//
//   GET /api/v1/payments/:id   200 {id, customer_id, amount, currency_code, status};
//                              401 without a token, 404 for another's payment
#pragma once

#include "domain/pool.hpp"
#include "http/dispatcher.hpp"

namespace http::payment {

// The pool must outlive the dispatcher's last request.
void add_routes(Dispatcher& dispatcher, domain::Pool& pool, const Authenticate& authenticate);

}  // namespace http::payment

// Payment over HTTP.
//
//   GET /api/v1/payments/:id   200 {id, customer_id, amount, currency_code, status};
//                              401 without a token, 404 for another's payment
#pragma once

#include "domain/pool.hpp"
#include "http/dispatcher.hpp"
#include "http/service_cache.hpp"

namespace http::payment {

// Pool and cache must outlive the dispatcher's last request.
void add_routes(Dispatcher& dispatcher, domain::Pool& pool, ServiceCache& cache,
                const Authenticate& authenticate);

}  // namespace http::payment

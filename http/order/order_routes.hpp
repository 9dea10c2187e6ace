// Order over HTTP.
//
//   GET /api/v1/orders/:id   200 {order_id, status, amount, currency_code, products: […]};
//                            401 without a token, 404 for another's order
#pragma once

#include "domain/pool.hpp"
#include "http/dispatcher.hpp"
#include "http/service_cache.hpp"

namespace http::order {

// Pool and cache must outlive the dispatcher's last request.
void add_routes(Dispatcher& dispatcher, domain::Pool& pool, ServiceCache& cache,
                const Authenticate& authenticate);

}  // namespace http::order

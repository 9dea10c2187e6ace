// Payment over HTTP.
//
//   GET /api/v1/payments/:id   200 {id, customer_id, amount, currency_code, status};
//                              401 without a token, 404 for another's payment
#pragma once

#include "domain/pool.hpp"
#include "http/dispatcher.hpp"
#include "http/service_cache.hpp"

namespace http::payment {

// The ids of those that a transaction from $1 on has made; of 0, all.
constexpr auto select_ids = R"(
select id from payments where added_in >= $1::xid8 or $1::xid8 = '0')";

// Pool and cache must outlive the dispatcher's last request.
void add_routes(Dispatcher& dispatcher, domain::Pool& pool, ServiceCache& cache,
                const Authenticate& authenticate);

}  // namespace http::payment

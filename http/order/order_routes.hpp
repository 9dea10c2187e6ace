// Order over HTTP, and the events that order hears.
//
//   POST /api/v1/purchases    202 {"purchase_id": N}, Location: /api/v1/orders/N
//   GET  /api/v1/orders/:id   200 {order_id, status, amount, currency_code, products: […]};
//                                 with accounts 401 without a token, 404 for another's order
#pragma once

#include <outbox/consumer.hpp>

#include "domain/order/order_service.hpp"
#include "http/dispatcher.hpp"

namespace http::order {

// The service must outlive the dispatcher's last request. Without authenticate, in a shop that has
// no accounts, everybody may read every order.
void add_routes(Dispatcher& dispatcher, domain::order::OrderService& service,
                const Authenticate& authenticate);

void subscribe(outbox::Consumer& consumer);

}  // namespace http::order

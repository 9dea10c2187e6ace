// Order over HTTP, and the events that order hears.
//
//   POST /api/v1/purchases    202 {"purchase_id": N}, Location: /api/v1/orders/N
//   GET  /api/v1/orders/:id   200 {order_id, status, amount, currency_code, products: […]}
#pragma once

#include <outbox/consumer.hpp>

#include "domain/order/order_service.hpp"
#include "http/dispatcher.hpp"

namespace http::order {

// The service must outlive the dispatcher's last request.
void add_routes(Dispatcher& dispatcher, domain::order::OrderService& service);

void subscribe(outbox::Consumer& consumer);

}  // namespace http::order

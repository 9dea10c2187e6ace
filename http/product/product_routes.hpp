// Product over HTTP, and the commands that product hears.
//
//   POST /api/v1/categories       201 {message, id}, Location (auth)
//   GET  /api/v1/categories       200 {categories: [{id, name, description}]}; pages as below
//   GET  /api/v1/categories/:id   200 {id, name, description}
//   POST /api/v1/products         201 {message, id}, Location (auth)
//   PUT  /api/v1/products/:id     200 {message} (auth)
//   GET  /api/v1/products/:id     200 {id, category_id, name, brand_name, description, price,
//                                 inventory}
//   GET  /api/v1/products         200 {catalogs: [{id, name, inventory, price}]}, ascending;
//                                 ?after=ID&size=1..500 or ?offset=N&size=1..500
//   GET  /api/products            the same
#pragma once

#include <outbox/consumer.hpp>

#include "domain/product/product_service.hpp"
#include "http/dispatcher.hpp"
#include "http/service_cache.hpp"

namespace http::product {

// Service and cache must outlive the dispatcher's last request. authenticate knows merchants, who
// alone may change something (auth above).
void add_routes(Dispatcher& dispatcher, domain::product::ProductService& service,
                ServiceCache& cache, const Authenticate& authenticate);

// The cache must outlive the consumer's run.
void subscribe(outbox::Consumer& consumer, ServiceCache& cache);

}  // namespace http::product

// Purchases over HTTP, and the results that purchase hears.
//
//   POST /api/v1/purchases             202 {"purchase_id": N}, Location: /api/v1/purchases/N
//   POST /api/purchase                 the same with 201, as older clients want it
//   GET  /api/v1/purchases/:id         200 {purchase_id, status, step, success, …}
//   GET  /api/v1/purchases/:id/events  200 text/event-stream, or 204 when nothing can follow
//   GET  /api/purchase/result?purchase_id=N   the same; without a number, of the last purchase
//
// Everything is the authenticated customer's own; what is another's is not there (404).
#pragma once

#include <outbox/consumer.hpp>

#include "domain/purchase/purchase_service.hpp"
#include "http/dispatcher.hpp"
#include "http/purchase/feed.hpp"
#include "http/purchase/product_client.hpp"

namespace http::purchase {

struct Parts {
    // product: where it speaks gRPC, host:port.
    Parts(domain::Pool& pool, domain::IdMaker make_id, const std::string& product,
          Authenticate whose, const GrpcSecurity& security = {})
        : service{pool, std::move(make_id)},
          products{product, security},
          feed{[this](const auto& ids) { return service.last_seqs(ids); }},
          authenticate{std::move(whose)} {}

    domain::purchase::PurchaseService service;
    ProductClient products;
    Feed feed;
    Authenticate authenticate;
};

// The parts must outlive the dispatcher's last request.
void add_routes(Dispatcher& dispatcher, Parts& parts);

// The feed must outlive the consumer's run.
void subscribe(outbox::Consumer& consumer, Feed& feed);

}  // namespace http::purchase

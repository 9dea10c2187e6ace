// Sagas over HTTP, for operators only (Authorization: Bearer, the operator's token), and the events
// that the orchestrator hears.
//
//   GET  /api/v1/sagas/:id                  200 {id, state, step, …, timeline: […]}
//   GET  /api/v1/sagas?state=in_flight      200 {sagas: […]}; or state=stuck
//   POST /api/v1/sagas/:id/retry            202 what the audit says of it
//   POST /api/v1/sagas/:id/compensate       {reason}
//   POST /api/v1/sagas/:id/force            {reason, step, outcome: "success" or "failure"}
#pragma once

#include <outbox/consumer.hpp>
#include <string>

#include "domain/pool.hpp"
#include "domain/saga/saga_service.hpp"
#include "http/dispatcher.hpp"

namespace http::orchestrator {

// The pool must outlive the dispatcher's last request. Without a token there are no routes.
void add_routes(Dispatcher& dispatcher, domain::Pool& pool, const std::string& token);

void subscribe(outbox::Consumer& consumer, domain::saga::SagaService& service);

}  // namespace http::orchestrator

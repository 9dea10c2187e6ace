// Order as a participant of the purchase saga: the commands that it hears, and the saga's end.
#pragma once

#include <outbox/consumer.hpp>
#include <string>

#include "http/service_cache.hpp"

namespace http::order {

// CreateOrder, RollbackOrder and PurchaseResult.
// The cache must outlive the consumer's run.
void subscribe_to_saga(outbox::Consumer& consumer, ServiceCache& cache);

// Under which an order is remembered.
std::string order_key(std::int64_t id);

}  // namespace http::order

// Order as a participant of the purchase saga: the commands that it hears, and the saga's end.
#pragma once

#include <outbox/consumer.hpp>

namespace http::order {

// CreateOrder, RollbackOrder and PurchaseResult.
void subscribe_to_saga(outbox::Consumer& consumer);

}  // namespace http::order

// Payment as a participant of the purchase saga: the commands that it hears.
#pragma once

#include <outbox/consumer.hpp>

#include "domain/payment/provider.hpp"

namespace http::payment {

// CreatePayment and RollbackPayment. The provider must outlive the consumer.
void subscribe_to_saga(outbox::Consumer& consumer, domain::payment::Provider& provider);

}  // namespace http::payment

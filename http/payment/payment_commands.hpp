// Payment as a participant of the purchase saga: the commands that it hears.
#pragma once

#include <outbox/consumer.hpp>
#include <string>

#include "domain/payment/provider.hpp"
#include "http/service_cache.hpp"

namespace http::payment {

// CreatePayment and RollbackPayment. The provider must outlive the consumer.
void subscribe_to_saga(outbox::Consumer& consumer, domain::payment::Provider& provider,
                       ServiceCache& cache);

// Under which a payment is remembered.
std::string payment_key(domain::PaymentId id);

}  // namespace http::payment

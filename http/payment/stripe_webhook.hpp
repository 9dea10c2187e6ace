// What Stripe tells by itself: signed events, in any order, late and more than once.
//
//   POST /api/v1/payments/webhook   200 {"received":true}; 400 for a signature that is missing,
//                                   wrong, or further than 5 minutes from now
//
// Source: https://docs.stripe.com/webhooks#verify-manually
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <tl/expected.hpp>

#include "domain/pool.hpp"
#include "http/dispatcher.hpp"
#include "http/service_cache.hpp"

namespace http::payment {

using SystemTime = std::chrono::system_clock::time_point;

// Checks the Stripe-Signature of a body, byte by byte as it came.
tl::expected<void, Problem> verify(std::string_view signature, const std::string& body,
                                   const std::string& secret, SystemTime now);

// A Stripe-Signature, as Stripe makes it.
std::string sign(const std::string& body, const std::string& secret, SystemTime now);

// The pool must outlive the dispatcher's last request.
void add_webhook(Dispatcher& dispatcher, domain::Pool& pool, ServiceCache& cache,
                 std::string secret);

}  // namespace http::payment

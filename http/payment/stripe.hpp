// The provider Stripe, or whoever speaks its API: one PaymentIntent a payment, captured by itself
// after its confirmation, so that nothing is taken that was not authorized before.
//
//   create ──► confirm ──► capture            a refused card: cancel, so that it stays refused
//                             └──► refund
//
// Each call has an Idempotency-Key of its own, made of the payment's number and the step: repeating
// all of them from the start, as a teller does after a crash or a time-out, repeats their answers.
// Source: https://docs.stripe.com/api/idempotent_requests
#pragma once

#include <chrono>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "domain/payment/provider.hpp"

namespace http::payment {

class Stripe final : public domain::payment::Provider {
public:
    struct Options {
        std::string url;  // https://api.stripe.com; http://… in tests
        std::string key;  // secret
        std::string payment_method = "pm_card_visa";
        std::chrono::milliseconds timeout{10'000};  // to connect, and again for each answer
    };

    explicit Stripe(Options options) : options_(std::move(options)) {}

    std::string_view name() const override { return "stripe"; }
    domain::payment::Verdict take(const domain::payment::Payment& payment) override;
    void refund(const domain::payment::Payment& payment) override;

private:
    using Fields = std::multimap<std::string, std::string>;
    struct Answer;

    // The answer, unless it is one that a repeat may change: then it throws.
    Answer post(const std::string& path, const std::string& key, const Fields& fields);

    const Options options_;
};

}  // namespace http::payment

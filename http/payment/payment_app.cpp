#include <array>
#include <fstream>
#include <thread>
#include <utility>

#include "domain/payment/ledger.hpp"
#include "domain/payment/teller.hpp"
#include "http/apps.hpp"
#include "http/payment/payment_commands.hpp"
#include "http/payment/payment_routes.hpp"
#include "http/payment/stripe.hpp"
#include "http/payment/stripe_webhook.hpp"

namespace http {
namespace {

constexpr int tellers = 4;  // calls to the provider at the same time

std::string secret(const char* flag, const std::string& path) {
    std::ifstream file(path);
    std::string line;
    if (!std::getline(file, line) || line.empty())
        throw StartError(std::string{"payment: --"} + flag + " must name a file that holds it");
    return line;
}

// Stripe at work, in threads that end with it.
struct StripeDesk {
    StripeDesk(const ServiceConfig& config, const StripeConfig& stripe_config, Log& log)
        : pool({.dsn = config.dsn, .size = tellers}),
          stripe({.url = stripe_config.url,
                  .key = secret("stripe-key-file", stripe_config.key_file),
                  .payment_method = stripe_config.payment_method}),
          teller(pool, stripe, {.log = [&log](std::string_view line) {
                     log.warn(line, {{"service", "payment"}});
                 }}) {
        for (auto& thread : threads)
            thread = std::jthread([this](const std::stop_token& stop) { teller.run(stop); });
    }

    domain::Pool pool;
    payment::Stripe stripe;
    domain::payment::Teller teller;
    std::array<std::jthread, tellers> threads;
};

domain::payment::Provider& add_stripe(Shop& shop, const ServiceConfig& config, Service& service) {
    const auto& stripe = shop.config.stripe;
    auto desk = std::make_shared<StripeDesk>(config, stripe, shop.log);
    shop.parts.push_back(desk);
    payment::add_webhook(service.dispatcher(), service.pool(),
                         secret("stripe-webhook-secret-file", stripe.webhook_secret_file));
    return desk->stripe;
}

domain::payment::Provider& add_ledger(Shop& shop, Service& service) {
    auto ledger = std::make_shared<domain::payment::Ledger>(service.pool());
    shop.parts.push_back(ledger);
    return *ledger;
}

}  // namespace

void add_payment(Shop& shop, const ServiceConfig& config) {
    auto& service = add_service(shop, config,
                                {.hears = {"create-payment", "rollback-payment"},
                                 .tables = {"payments", "payment_limit", "payment.entry"}});
    auto& provider = shop.config.stripe.url.empty() ? add_ledger(shop, service)
                                                    : add_stripe(shop, config, service);
    payment::add_routes(service.dispatcher(), service.pool(), shop.authenticate);
    payment::subscribe_to_saga(service.consumer(), provider);
}

}  // namespace http

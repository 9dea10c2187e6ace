#include <array>
#include <thread>
#include <utility>

#include "domain/payment/ledger.hpp"
#include "domain/payment/payment_service.hpp"
#include "domain/payment/teller.hpp"
#include "http/apps.hpp"
#include "http/payment/payment_commands.hpp"
#include "http/payment/payment_routes.hpp"
#include "http/payment/stripe.hpp"
#include "http/payment/stripe_webhook.hpp"
#include "http/sweeper.hpp"

namespace http {
namespace {

constexpr int tellers = 4;  // calls to the provider at the same time

// Stripe at work, in threads that end with it.
struct StripeDesk {
    StripeDesk(const ServiceConfig& config, const StripeConfig& stripe_config, ServiceCache& cache,
               Log& log)
        : pool({.dsn = config.dsn, .size = tellers}),
          stripe({.url = stripe_config.url,
                  .key = stripe_config.key,
                  .payment_method = stripe_config.payment_method}),
          teller(pool, stripe,
                 {.log = [&log](auto line) { log.warn(line, {{"service", "payment"}}); },
                  .settling =
                      [&cache](auto id, const auto& settle) {
                          cache.values().changing({payment::payment_key(id)}, settle);
                      }}) {
        for (auto& thread : threads)
            thread = std::jthread([this](const std::stop_token& stop) { teller.run(stop); });
    }

    domain::Pool pool;
    payment::Stripe stripe;
    domain::payment::Teller teller;
    std::array<std::jthread, tellers> threads;
};

domain::payment::Provider& add_stripe(Shop& shop, const ServiceConfig& config, Service& service,
                                      ServiceCache& cache) {
    const auto& stripe = shop.config.stripe;
    auto desk = std::make_shared<StripeDesk>(config, stripe, cache, shop.log);
    shop.parts.push_back(desk);
    payment::add_webhook(service.dispatcher(), service.pool(), cache, stripe.webhook_secret);
    return desk->stripe;
}

domain::payment::Provider& add_ledger(Shop& shop, Service& service) {
    auto ledger = std::make_shared<domain::payment::Ledger>(service.pool());
    shop.parts.push_back(ledger);
    return *ledger;
}

// Money that is neither here nor there for long: a metric, and a line in the log every minute.
void watch(Shop& shop, const ServiceConfig& config, Service& service) {
    const auto limit = shop.config.payment_overdue;
    service.metrics().add_gauge(
        "overdue", "Payments that have waited for their provider for too long, by status", "status",
        [&pool = service.pool(), limit]() -> std::map<std::string, double> {
            try {
                return domain::payment::overdue(pool, limit);
            } catch (const std::exception&) {
                return {};  // the database is away, as /readyz says
            }
        });
    shop.parts.push_back(std::make_shared<Sweeper>(
        config.name, config.dsn, leisurely, shop.log, [&log = shop.log, limit](auto& pool) {
            const auto counts = domain::payment::overdue(pool, limit);
            if (counts.at("PENDING") + counts.at("REFUNDING") > 0)
                log.warn("payments wait for their provider: see who is due, and ask the provider",
                         {{"service", "payment"},
                          {"pending", static_cast<long>(counts.at("PENDING"))},
                          {"refunding", static_cast<long>(counts.at("REFUNDING"))},
                          {"for_longer_than_s", limit.count()}});
            return false;
        }));
}

}  // namespace

void add_payment(Shop& shop, const ServiceConfig& config) {
    auto& service = add_service(shop, config, {"create-payment", "rollback-payment"});
    auto& cache = add_cache(shop, config, service);
    cache.filter(service.pool(), "payments");
    auto& provider = shop.config.stripe.url.empty() ? add_ledger(shop, service)
                                                    : add_stripe(shop, config, service, cache);
    payment::add_routes(service.dispatcher(), service.pool(), cache, shop.authenticate);
    payment::subscribe_to_saga(service.consumer(), provider, cache);
    watch(shop, config, service);
}

}  // namespace http

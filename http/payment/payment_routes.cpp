#include "http/payment/payment_routes.hpp"

#include <nlohmann/json.hpp>

#include "domain/payment/payment_service.hpp"
#include "http/owned.hpp"
#include "http/payment/payment_commands.hpp"

namespace http::payment {
namespace {

namespace domain_payment = domain::payment;

std::optional<Owned> load(domain::Pool& pool, domain::PaymentId id) {
    const auto payment = domain_payment::find(pool, id);
    if (!payment || payment->status == domain_payment::Status::cancelled) return std::nullopt;
    nlohmann::json body{{"id", payment->id.value},
                        {"customer_id", payment->customer.value},
                        {"amount", payment->amount.minor},
                        {"currency_code", payment->amount.currency.code()},
                        {"status", domain_payment::to_string(payment->status)}};
    if (!payment->decline_reason.empty()) body["reason"] = payment->decline_reason;
    return Owned{payment->customer, body.dump()};
}

Outcome get_payment(domain::Pool& pool, ServiceCache& cache, const Authenticate& authenticate,
                    const Request& request) {
    const auto customer = authenticate(request);
    if (!customer) return tl::unexpected(customer.error());
    const auto id = id_parameter(request, "id");
    if (!id) return tl::unexpected(id.error());
    auto shown = show_owned(
        cache, payment_key(domain::PaymentId{*id}), *id,
        [&] { return load(pool, domain::PaymentId{*id}); },
        [&](auto owner) { return owner == *customer; });
    if (!shown) return tl::unexpected(Problem{404, "there is no payment " + std::to_string(*id)});
    return Response{.body = *std::move(shown)};
}

}  // namespace

void add_routes(Dispatcher& dispatcher, domain::Pool& pool, ServiceCache& cache,
                const Authenticate& authenticate) {
    dispatcher.on("GET", "/api/v1/payments/:id",
                  [&pool, &cache, authenticate](const Request& request) {
                      return get_payment(pool, cache, authenticate, request);
                  });
}

}  // namespace http::payment

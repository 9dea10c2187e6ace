#include "http/payment/payment_routes.hpp"

#include <nlohmann/json.hpp>

#include "domain/payment/payment_service.hpp"

namespace http::payment {
namespace {

namespace domain_payment = domain::payment;

Outcome get_payment(domain::Pool& pool, const Authenticate& authenticate, const Request& request) {
    const auto customer = authenticate(request);
    if (!customer) return tl::unexpected(customer.error());
    const auto id = id_parameter(request, "id");
    if (!id) return tl::unexpected(id.error());
    const auto payment = domain_payment::find(pool, domain::PaymentId{*id});
    if (!payment || payment->status == domain_payment::Status::cancelled ||
        payment->customer != *customer)
        return tl::unexpected(Problem{404, "there is no payment " + std::to_string(*id)});
    nlohmann::json body{{"id", payment->id.value},
                        {"customer_id", payment->customer.value},
                        {"amount", payment->amount.minor},
                        {"currency_code", payment->amount.currency.code()},
                        {"status", domain_payment::to_string(payment->status)}};
    if (!payment->decline_reason.empty()) body["reason"] = payment->decline_reason;
    return Response{.body = body.dump()};
}

}  // namespace

void add_routes(Dispatcher& dispatcher, domain::Pool& pool, const Authenticate& authenticate) {
    dispatcher.on("GET", "/api/v1/payments/:id", [&pool, authenticate](const Request& request) {
        return get_payment(pool, authenticate, request);
    });
}

}  // namespace http::payment

#include "http/apps.hpp"
#include "http/payment/payment_routes.hpp"

namespace http {

void add_payment(Shop& shop, const ServiceConfig& config) {
    auto& service =
        add_service(shop, config, {.hears = {"order"}, .tables = {"payments", "payment_limit"}});
    payment::add_routes(service.dispatcher(), service.pool());
    payment::subscribe(service.consumer());
}

}  // namespace http

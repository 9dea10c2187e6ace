#include "http/apps.hpp"
#include "http/order/order_commands.hpp"
#include "http/order/order_routes.hpp"

namespace http {

void add_order(Shop& shop, const ServiceConfig& config) {
    auto& service =
        add_service(shop, config, {"create-order", "rollback-order", "purchase-result"});
    auto& cache = add_cache(shop, config, service);
    cache.filter(service.pool(), "orders");
    order::add_routes(service.dispatcher(), service.pool(), cache, shop.authenticate);
    order::subscribe_to_saga(service.consumer(), cache);
}

}  // namespace http

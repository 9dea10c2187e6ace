#include "http/apps.hpp"
#include "http/order/order_commands.hpp"
#include "http/order/order_routes.hpp"

namespace http {

void add_order(Shop& shop, const ServiceConfig& config) {
    auto& service =
        add_service(shop, config,
                    {.hears = {"payment", "create-order", "rollback-order", "purchase-result"},
                     .tables = {"orders", "order_items", "catalogue"}});
    auto orders = std::make_shared<domain::order::OrderService>(
        service.pool(), make_ids(shop.config, service.pool()));
    shop.parts.push_back(orders);
    order::add_routes(service.dispatcher(), *orders, shop.authenticate);
    order::subscribe(service.consumer());
    order::subscribe_to_saga(service.consumer());
}

}  // namespace http

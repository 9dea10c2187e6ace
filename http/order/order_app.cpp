#include <utility>

#include "http/apps.hpp"
#include "http/order/order_commands.hpp"
#include "http/order/order_routes.hpp"

namespace http {

void add_order(Shop& shop, const ServiceConfig& config) {
    std::vector<std::string> hears{"create-order", "rollback-order", "purchase-result"};
    const bool alone = !shop.authenticate;  // order and payment, without accounts and sagas
    if (alone) hears.emplace_back("payment");
    auto& service =
        add_service(shop, config,
                    {.hears = std::move(hears), .tables = {"orders", "order_items", "catalogue"}});
    auto orders = std::make_shared<domain::order::OrderService>(
        service.pool(), make_ids(shop.config, service.pool()));
    shop.parts.push_back(orders);
    order::add_routes(service.dispatcher(), *orders, shop.authenticate);
    if (alone) order::subscribe(service.consumer());
    order::subscribe_to_saga(service.consumer());
}

}  // namespace http

#include "http/apps.hpp"
#include "http/purchase/purchase_routes.hpp"
#include "http/sweeper.hpp"

namespace http {
namespace {

constexpr int batch = 100;

}  // namespace

void add_purchase(Shop& shop, const ServiceConfig& config) {
    auto& service = add_service(shop, config, {"purchase-result"});
    auto& pool = service.pool();
    auto parts = std::make_shared<purchase::Parts>(pool, make_ids(shop.config, pool),
                                                   shop.config.grpc.at("product"),
                                                   shop.authenticate, shop.config.grpc_security);
    shop.parts.push_back(parts);
    shop.parts.push_back(std::make_shared<Sweeper>(
        config.name, config.dsn, leisurely, shop.log, [keep = shop.config.keep](auto& from) {
            return domain::purchase::forget_events(from, keep, batch) == batch;
        }));
    purchase::add_routes(service.dispatcher(), *parts);
    purchase::subscribe(service.consumer(), parts->feed);
}

}  // namespace http

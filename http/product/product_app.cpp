#include "http/apps.hpp"
#include "http/auth.hpp"
#include "http/grpc_server.hpp"
#include "http/product/product_routes.hpp"
#include "http/product/product_rpc.hpp"

namespace http {

void add_product(Shop& shop, const ServiceConfig& config) {
    auto& service =
        add_service(shop, config, {"update-product-inventory", "rollback-product-inventory"});
    auto products = std::make_shared<domain::product::ProductService>(
        service.pool(), make_ids(shop.config, service.pool()));
    shop.parts.push_back(products);
    auto& cache = add_cache(shop, config, service);
    cache.filter(service.pool(), "products");
    using domain::token::Role;
    product::add_routes(service.dispatcher(), *products, cache,
                        ask_account(shop.config.token, shop.config.grpc.at("account"), shop.log,
                                    shop.config.open_catalogue ? Role::customer : Role::merchant,
                                    shop.config.grpc_security));
    product::subscribe(service.consumer(), cache);
    service.attach(
        std::make_shared<GrpcServer>(GrpcOptions{.service = config.name,
                                                 .listen = shop.config.grpc.at(config.name),
                                                 .message_limit = product::grpc_message_limit,
                                                 .reflection = shop.config.grpc_reflection,
                                                 .security = shop.config.grpc_security,
                                                 .tracer = service.tracer()},
                                     GrpcServer::Services{product::make_product_rpc(
                                         *products, RpcGuard{shop.log, shop.config.grpc_security})},
                                     shop.log));
}

}  // namespace http

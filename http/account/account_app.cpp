#include "http/account/account_routes.hpp"
#include "http/account/auth_rpc.hpp"
#include "http/apps.hpp"
#include "http/auth.hpp"
#include "http/grpc_server.hpp"

namespace http {

void add_account(Shop& shop, const ServiceConfig& config) {
    auto& service = add_service(shop, config, {});
    auto accounts = std::make_shared<domain::account::AccountService>(
        service.pool(), make_ids(shop.config, service.pool()),
        domain::token::Tokens{shop.config.token}, shop.config.account);
    shop.parts.push_back(accounts);
    // Not by gRPC as the others do: a session that was just revoked counts no more here.
    const auto authenticate =
        bearer([accounts](std::string_view token) { return accounts->judge(token); });
    auto stored = std::make_shared<domain::account::StoredProfiles>(service.pool());
    auto profiles = std::make_shared<domain::account::CachedProfiles>(
        *stored, add_cache(shop, config, service).values());
    shop.parts.insert(shop.parts.end(), {stored, profiles});
    account::add_routes(service.dispatcher(), *accounts, *profiles, authenticate);
    service.metrics().add_counter("password_hashes_total",
                                  "Passwords hashed, or refused as too many at a time", "outcome",
                                  [accounts] {
                                      const auto& passwords = accounts->passwords();
                                      return std::map<std::string, double>{
                                          {"computed", static_cast<double>(passwords.computed())},
                                          {"refused", static_cast<double>(passwords.refused())}};
                                  });
    service.attach(
        std::make_shared<GrpcServer>(GrpcOptions{.service = config.name,
                                                 .listen = shop.config.grpc.at(config.name),
                                                 .reflection = shop.config.grpc_reflection,
                                                 .security = shop.config.grpc_security,
                                                 .tracer = service.tracer()},
                                     GrpcServer::Services{account::make_auth_rpc(
                                         *accounts, RpcGuard{shop.log, shop.config.grpc_security})},
                                     shop.log));
}

}  // namespace http

#include "http/account/auth_rpc.hpp"

#include <utility>

#include "auth.grpc.pb.h"

namespace http::account {
namespace {

class AuthRpc : public auth::AuthService::Service {
public:
    AuthRpc(domain::account::AccountService& service, RpcGuard guard)
        : service_(service), guard_(std::move(guard)) {}

    // NOLINTNEXTLINE(readability-identifier-naming): gRPC's name
    grpc::Status Auth(grpc::ServerContext* context, const auth::AuthPayload* request,
                      auth::AuthResponse* response) override {
        return guard_(*context, "Auth", [&] {
            const auto claims = service_.judge(request->access_token());
            if (claims) {
                response->set_customer_id(static_cast<std::uint64_t>(claims->customer.value));
                return grpc::Status::OK;
            }
            if (claims.error() == domain::token::Flaw::expired) {
                response->set_expired(true);
                return grpc::Status::OK;
            }
            return grpc::Status{grpc::StatusCode::UNAUTHENTICATED, "the token does not count"};
        });
    }

private:
    domain::account::AccountService& service_;
    RpcGuard guard_;
};

}  // namespace

std::shared_ptr<grpc::Service> make_auth_rpc(domain::account::AccountService& service,
                                             RpcGuard guard) {
    return std::make_shared<AuthRpc>(service, std::move(guard));
}

}  // namespace http::account

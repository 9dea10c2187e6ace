#include "http/account/auth_rpc.hpp"

#include "auth.grpc.pb.h"
#include "http/grpc_server.hpp"

namespace http::account {
namespace {

class AuthRpc : public auth::AuthService::Service {
public:
    AuthRpc(domain::account::AccountService& service, Log& log) : service_(service), log_(log) {}

    grpc::Status Auth(grpc::ServerContext*,  // NOLINT(readability-identifier-naming): gRPC's name
                      const auth::AuthPayload* request, auth::AuthResponse* response) override {
        return guarded(log_, "Auth", [&] {
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
    Log& log_;
};

}  // namespace

std::shared_ptr<grpc::Service> make_auth_rpc(domain::account::AccountService& service, Log& log) {
    return std::make_shared<AuthRpc>(service, log);
}

}  // namespace http::account

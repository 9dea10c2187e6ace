// auth.AuthService over the account service. Auth answers whose an access token is; expired, when
// it was good once; UNAUTHENTICATED for any other token, and for one that was revoked.
#pragma once

#include <memory>

#include "domain/account/account_service.hpp"
#include "http/grpc_server.hpp"

namespace http::account {

std::shared_ptr<grpc::Service> make_auth_rpc(domain::account::AccountService& service,
                                             RpcGuard guard);

}  // namespace http::account

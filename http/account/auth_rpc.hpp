// auth.AuthService over the account service. Auth answers whose an access token is; expired, when
// it was good once; UNAUTHENTICATED for any other token, and for one that was revoked.
#pragma once

#include <memory>

#include "domain/account/account_service.hpp"
#include "http/log.hpp"

namespace grpc {
class Service;
}

namespace http::account {

std::shared_ptr<grpc::Service> make_auth_rpc(domain::account::AccountService& service, Log& log);

}  // namespace http::account

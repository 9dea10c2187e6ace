// The account service over HTTP: /api/v1/account/auth/… and /api/v1/account/customer/….
#pragma once

#include "domain/account/account_service.hpp"
#include "http/dispatcher.hpp"

namespace http::account {

void add_routes(Dispatcher& dispatcher, domain::account::AccountService& service,
                const Authenticate& authenticate);

}  // namespace http::account

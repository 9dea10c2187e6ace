// The account service over HTTP: /api/v1/account/auth/… and /api/v1/account/customer/….
#pragma once

#include "domain/account/account_service.hpp"
#include "domain/account/profiles.hpp"
#include "http/dispatcher.hpp"

namespace http::account {

// Both must outlive the dispatcher's last request.
void add_routes(Dispatcher& dispatcher, domain::account::AccountService& service,
                domain::account::Profiles& profiles, const Authenticate& authenticate);

}  // namespace http::account

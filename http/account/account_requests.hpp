// What account's routes are sent, from text to values: every member is required and a string, and
// nothing else of the body is read. What may stand in them, the domain says.
#pragma once

#include <string>
#include <tl/expected.hpp>

#include "domain/account/account.hpp"
#include "http/message.hpp"

namespace http::account {

struct Credentials {
    std::string email, password;
};

tl::expected<domain::account::Registration, Problem> read_registration(const std::string& body);
tl::expected<Credentials, Problem> read_credentials(const std::string& body);
tl::expected<std::string, Problem> read_refresh_token(const std::string& body);
tl::expected<domain::account::Personal, Problem> read_personal(const std::string& body);
tl::expected<domain::account::Delivery, Problem> read_delivery(const std::string& body);

}  // namespace http::account

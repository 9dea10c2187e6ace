// A customer's account: what may stand in it.
//
// Pure, thread-safe. Texts are kept as they were given; e-mail addresses that differ only in the
// case of ASCII letters are one (key_of).
#pragma once

#include <string>
#include <string_view>
#include <tl/expected.hpp>

#include "domain/ids.hpp"
#include "domain/refusal.hpp"

namespace domain::account {

using SessionId = Id<struct SessionTag>;  // a login, and every token that comes of it

struct Personal {
    std::string first_name, last_name, email;
    bool operator==(const Personal&) const = default;
};

struct Delivery {
    std::string address, phone_number;
    bool operator==(const Delivery&) const = default;
};

struct Registration {
    Personal personal;
    Delivery delivery;
    std::string password;
};

// Each names the first field that will not do.
tl::expected<void, Refusal> check(const Personal& personal);
tl::expected<void, Refusal> check(const Delivery& delivery);
tl::expected<void, Refusal> check(const Registration& registration);

// By which an account is found.
std::string key_of(std::string_view email);

}  // namespace domain::account

// What can be done to accounts, and who a token belongs to. Thread-safe.
//
// No connection is held while a password is hashed. A login costs the same, and answers the same,
// whether the e-mail address is known or not. Each login is a session: its refresh token counts
// once, for the next pair; the same token again means that two parties have it, and ends the
// session for both.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <tl/expected.hpp>

#include "domain/account/account_store.hpp"
#include "domain/account/passwords.hpp"
#include "domain/pool.hpp"
#include "domain/token.hpp"
#include "domain/trace.hpp"

namespace domain::account {

struct Pair {
    std::string access, refresh;
};

struct Login {
    std::string email, password;
    std::string address;  // of the network
};

class AccountService {
public:
    AccountService(Pool& pool, IdMaker make_id, token::Tokens tokens, const Options& options);

    // Opens the account and a first session. conflict names email or phone_number.
    tl::expected<Pair, Refusal> enroll(const Registration& registration, const Trace& trace);

    // unauthenticated for a wrong password and an unknown address alike; forbidden for an inactive
    // account, to who knows its password.
    tl::expected<Pair, Refusal> login(const Login& login);

    tl::expected<Pair, Refusal> refresh(std::string_view refresh_token);

    // Ends the session of the refresh token.
    tl::expected<void, Refusal> logout(std::string_view refresh_token);

    // Whose the access token is: its session is not revoked, and the account is active.
    tl::expected<token::Claims, token::Flaw> judge(std::string_view access_token);

    const Passwords& passwords() const { return passwords_; }

private:
    store::Session new_session(CustomerId customer);
    Pair issue(const store::Session& session, token::Role role) const;
    tl::expected<std::optional<store::Credentials>, Refusal> check_password(const Login& login);

    Pool& pool_;
    const IdMaker make_id_;
    const token::Tokens tokens_;
    Passwords passwords_;
    const ThrottleOptions throttle_;
};

}  // namespace domain::account

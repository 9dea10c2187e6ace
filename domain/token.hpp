// Who a request comes from, as a signed JWT (RFC 7519, hardened as RFC 8725 asks).
//
//   const Tokens tokens{{.secret = secret}};
//   const auto text = tokens.issue(Kind::access, {.customer = id, .session = 7, .id = make_id()});
//   const auto claims = tokens.verify(Kind::access, text);   // or the Flaw
//
// One algorithm, HS256, and one header for each kind: a token whose header is not byte for byte the
// one that issue writes is refused before anything of it is read. So there is no alg, kid, jku, jwk
// or crit to choose, and a refresh token (typ rt+jwt) is no access token (typ at+jwt). Values,
// thread-safe.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <tl/expected.hpp>

#include "domain/ids.hpp"

namespace domain::token {

enum class Kind { access, refresh };

// expired: it was good once. invalid: anything else, and nobody is told what.
enum class Flaw { invalid, expired };

// What somebody may do: a merchant also what a customer may.
enum class Role { customer, merchant };
std::string_view to_string(Role role);
std::optional<Role> parse_role(std::string_view text);

struct Claims {
    CustomerId customer;                 // CustomerID
    std::int64_t session = 0;            // sid: a login and all the tokens that came of it
    std::string id;                      // jti
    Role role = Role::customer;          // of an access token
    std::chrono::sys_seconds expires{};  // exp, as verify tells it; issue takes its own
    bool operator==(const Claims&) const = default;
};

constexpr std::size_t least_secret = 32;  // bytes

struct Options {
    std::string secret;
    std::chrono::seconds access{300};
    std::chrono::seconds refresh{900};
};

// 128 random bits, for a jti.
std::string make_id();

class Tokens {
public:
    using Clock = std::function<std::chrono::system_clock::time_point()>;

    // Throws std::invalid_argument when the secret is too short; the message does not quote it.
    explicit Tokens(Options options, Clock now = std::chrono::system_clock::now);

    std::string issue(Kind kind, const Claims& claims) const;
    tl::expected<Claims, Flaw> verify(Kind kind, std::string_view token) const;

    std::chrono::seconds lifetime(Kind kind) const;

private:
    std::string signature(std::string_view text) const;

    Options options_;
    Clock now_;
};

}  // namespace domain::token

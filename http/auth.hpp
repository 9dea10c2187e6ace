// Who sends a request: Authorization: Bearer TOKEN, or 401 with WWW-Authenticate.
//
// Every service checks the token's signature, time and kind itself, so that nonsense costs no call.
// Whether its session still counts only account knows: it is asked over gRPC
// (auth.AuthService/Auth), and its answer is held for 2 s. While account does not answer (within
// 300 ms), a token that is right in itself counts, so that purchases go on without account; but not
// one of a session that this process has heard to be revoked: that is remembered until its tokens
// have ended. A revocation that it has not heard of lets a token live for its own few minutes.
// Thread-safe.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <tl/expected.hpp>

#include "domain/token.hpp"
#include "http/grpc_security.hpp"
#include "http/log.hpp"
#include "http/message.hpp"

namespace http {

// What a token says, if it counts.
using Judge =
    std::function<tl::expected<domain::token::Claims, domain::token::Flaw>(std::string_view)>;

// Judge gets what Authorization carries; a header that carries no token is refused here, and who
// has less than the least role, by 403.
Authenticate bearer(Judge judge, domain::token::Role least = domain::token::Role::customer);

// Asks account at host:port, as said above. Throws std::invalid_argument for too short a secret.
Authenticate ask_account(const domain::token::Options& options, const std::string& address,
                         Log& log, domain::token::Role least = domain::token::Role::customer,
                         const GrpcSecurity& security = {});

}  // namespace http

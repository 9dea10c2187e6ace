#include "http/auth.hpp"

#include <algorithm>
#include <chrono>
#include <mutex>
#include <optional>
#include <unordered_map>

#include "auth.grpc.pb.h"
#include "faults.hpp"
#include "http/grpc_client.hpp"
#include "http/revocations.hpp"

namespace http {
namespace {

using domain::token::Flaw;
using domain::token::Kind;
using Clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds patience{300};
constexpr std::chrono::seconds held{2};
constexpr std::size_t most_held = 10'000;
constexpr std::size_t most_revoked = 100'000;  // some 10 MB

Problem unauthorized(std::string detail, std::string challenge) {
    return {401, std::move(detail), {}, {{"WWW-Authenticate", std::move(challenge)}}};
}

// The token of "Bearer TOKEN"; empty for anything else.
std::string_view token_of(std::string_view header) {
    constexpr std::string_view scheme = "Bearer ";
    if (header.size() <= scheme.size()) return {};
    const IgnoringCase less;
    const auto given = header.substr(0, scheme.size());
    if (less(given, scheme) || less(scheme, given)) return {};
    return header.substr(scheme.size());
}

// Sessions that account was asked about lately.
class Answers {
public:
    std::optional<bool> find(std::int64_t session) {
        const std::scoped_lock lock(mutex_);
        const auto found = answers_.find(session);
        if (found == answers_.end() || found->second.until < Clock::now()) return std::nullopt;
        return found->second.counts;
    }

    void keep(std::int64_t session, bool counts) {
        const std::scoped_lock lock(mutex_);
        if (answers_.size() >= most_held) {
            std::erase_if(answers_, [now = Clock::now()](const auto& entry) {
                return entry.second.until < now;
            });
        }
        if (answers_.size() >= most_held) answers_.clear();
        answers_[session] = {counts, Clock::now() + held};
    }

private:
    struct Answer {
        bool counts;
        Clock::time_point until;
    };
    std::mutex mutex_;
    std::unordered_map<std::int64_t, Answer> answers_;
};

class Account {
public:
    Account(const domain::token::Options& options, const std::string& address, Log& log,
            const GrpcSecurity& security)
        : tokens_(options),
          security_(security),
          stub_(auth::AuthService::NewStub(channel_to(address, security))),
          log_(log) {}

    tl::expected<domain::token::Claims, Flaw> judge(std::string_view token) {
        const auto claims = tokens_.verify(Kind::access, token);
        if (!claims) return tl::unexpected(claims.error());
        if (revocations_.has(claims->session, Clock::now())) return tl::unexpected(Flaw::invalid);
        auto counts = answers_.find(claims->session);
        if (!counts) {
            counts = ask(token, *claims);
            answers_.keep(claims->session, *counts);
        }
        if (!*counts) return tl::unexpected(Flaw::invalid);
        return *claims;
    }

private:
    bool ask(std::string_view token, const domain::token::Claims& claims) {
        auth::AuthPayload payload;
        payload.set_access_token(std::string{token});
        auth::AuthResponse response;
        grpc::ClientContext context;
        context.set_deadline(std::chrono::system_clock::now() + patience);
        sign(context, security_);
        const auto status = stub_->Auth(&context, payload, &response);
        if (status.ok()) {
            return !response.expired() &&
                   response.customer_id() == static_cast<std::uint64_t>(claims.customer.value);
        }
        if (status.error_code() == grpc::StatusCode::UNAUTHENTICATED) {
            revoke(claims);
            return false;
        }
        if (status.error_code() == grpc::StatusCode::PERMISSION_DENIED)
            log_.error("account refuses the services' token; is it the same for every service?");
        log_.warn("account does not answer; tokens are checked without it",
                  {{"code", static_cast<int>(status.error_code())}});
        return true;
    }

    // Until this token ends, and any other of its session that was handed out before.
    void revoke(const domain::token::Claims& claims) {
        if (faults::mutant("forgets_revocations")) return;
        const auto left = claims.expires - std::chrono::system_clock::now();
        revocations_.keep(claims.session, Clock::now() + std::max<Clock::duration>(
                                                             left, tokens_.lifetime(Kind::access)));
    }

    const domain::token::Tokens tokens_;
    const GrpcSecurity security_;
    std::unique_ptr<auth::AuthService::Stub> stub_;
    Log& log_;
    Answers answers_;
    Revocations revocations_{most_revoked};
};

}  // namespace

Authenticate bearer(Judge judge, domain::token::Role least) {
    return [judge = std::move(judge),
            least](const Request& request) -> tl::expected<domain::CustomerId, Problem> {
        const auto token = token_of(request.header("Authorization"));
        if (token.empty()) {
            return tl::unexpected(
                unauthorized("send Authorization: Bearer, and an access token", "Bearer"));
        }
        const auto claims = judge(token);
        if (claims && claims->role < least && !faults::mutant("any_role")) {
            return tl::unexpected(
                Problem{403,
                        "only a " + std::string{to_string(least)} + " may do this",
                        {},
                        {{"WWW-Authenticate", R"(Bearer error="insufficient_scope")"}}});
        }
        if (claims) return claims->customer;
        if (claims.error() == Flaw::expired) {
            return tl::unexpected(
                unauthorized("the access token has expired",
                             R"(Bearer error="invalid_token", error_description="expired")"));
        }
        return tl::unexpected(
            unauthorized("the access token does not count", R"(Bearer error="invalid_token")"));
    };
}

Authenticate ask_account(const domain::token::Options& options, const std::string& address,
                         Log& log, domain::token::Role least, const GrpcSecurity& security) {
    const auto account = std::make_shared<Account>(options, address, log, security);
    return bearer([account](std::string_view token) { return account->judge(token); }, least);
}

}  // namespace http

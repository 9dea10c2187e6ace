#include "domain/account/account_service.hpp"

#include <outbox/append.hpp>

#include "domain/account/account_events.hpp"
#include "domain/transact.hpp"
#include "faults.hpp"

namespace domain::account {
namespace {

using token::Kind;
using Reason = Refusal::Reason;

outbox::Event event(CustomerId id, const char* type, std::string json, const Trace& trace) {
    return {.aggregate_type = "account",
            .aggregate_id = std::to_string(id.value),
            .type = type,
            .content = outbox::Json{std::move(json)},
            .headers = trace.headers()};
}

Refusal taken(const char* field) {
    return {Reason::conflict, "another account has it already", field};
}

Refusal inactive() { return {Reason::forbidden, "the account is not active"}; }
Refusal stale() { return {Reason::unauthenticated, "the refresh token does not count", {}}; }

}  // namespace

AccountService::AccountService(Pool& pool, IdMaker make_id, token::Tokens tokens,
                               const Options& options)
    : pool_(pool),
      make_id_(std::move(make_id)),
      tokens_(std::move(tokens)),
      passwords_(options.hash),
      throttle_(options.throttle) {}

store::Session AccountService::new_session(CustomerId customer) {
    return {SessionId{make_id_()}, customer, token::make_id(), tokens_.lifetime(Kind::refresh)};
}

Pair AccountService::issue(const store::Session& session, token::Role role) const {
    const auto claims = [&](std::string id) {
        return token::Claims{.customer = session.customer,
                             .session = session.id.value,
                             .id = std::move(id),
                             .role = role};
    };
    return {tokens_.issue(Kind::access, claims(token::make_id())),
            tokens_.issue(Kind::refresh, claims(session.refresh_id))};
}

tl::expected<Pair, Refusal> AccountService::enroll(const Registration& registration,
                                                   const Trace& trace) {
    if (const auto checked = check(registration); !checked) return tl::unexpected(checked.error());
    const auto hash = passwords_.hash(registration.password);
    if (!hash) return tl::unexpected(hash.error());
    const auto id = CustomerId{make_id_()};
    const auto session = new_session(id);
    const auto run = [&](pqxx::work& tx) -> tl::expected<Pair, Refusal> {
        if (!store::insert(tx, id, registration, *hash)) {
            const auto holder = store::find_credentials(tx, registration.personal.email);
            if (!holder) return tl::unexpected(taken("phone_number"));
            // Ours: an earlier run's commit went through, though its answer was lost.
            if (holder->customer != id) return tl::unexpected(taken("email"));
            return issue(session, token::Role::customer);
        }
        store::open_session(tx, session);
        outbox::append(tx, event(id, "AccountRegistered", account_registered(id), trace));
        return issue(session, token::Role::customer);
    };
    return transact(pool_, run, {.repeatable = true});
}

// The account when the password is right, nothing when it is not.
tl::expected<std::optional<store::Credentials>, Refusal> AccountService::check_password(
    const Login& login) {
    std::optional<store::Credentials> found;
    const auto wait = transact(pool_, [&](pqxx::work& tx) {
        found = store::find_credentials(tx, login.email);
        return store::begin_login(tx, login.email, login.address, throttle_);
    });
    if (wait && !faults::mutant("no_login_throttle")) {
        return tl::unexpected(
            Refusal{Reason::too_often, "too many logins failed; wait", {}, *wait});
    }
    if (!found && faults::mutant("no_dummy_hash")) return std::nullopt;
    const auto right =
        passwords_.verify(found ? std::optional{found->hash} : std::nullopt, login.password);
    if (!right) {
        transact(pool_, [&](pqxx::work& tx) {
            store::discount_login(tx, login.email, login.address);
            return true;
        });
        return tl::unexpected(right.error());
    }
    return *right ? found : std::nullopt;
}

tl::expected<Pair, Refusal> AccountService::login(const Login& login) {
    const auto account = check_password(login);
    if (!account) return tl::unexpected(account.error());
    if (!*account) {
        return tl::unexpected(
            Refusal{Reason::unauthenticated, "e-mail address or password is wrong", {}});
    }
    const auto& credentials = **account;
    // In its own turn; when there is none, the next login does it.
    const auto hash = passwords_.is_outdated(credentials.hash) ? passwords_.hash(login.password)
                                                               : tl::unexpected(Refusal{});
    const auto session = new_session(credentials.customer);
    const auto run = [&](pqxx::work& tx) {
        store::forgive_login(tx, login.email, login.address, throttle_);
        if (hash) store::replace_hash(tx, credentials, *hash);
        if (credentials.active) store::open_session(tx, session);
        return true;
    };
    transact(pool_, run, {.repeatable = true});
    if (!credentials.active) return tl::unexpected(inactive());
    return issue(session, credentials.role);
}

tl::expected<Pair, Refusal> AccountService::refresh(std::string_view refresh_token) {
    const auto claims = tokens_.verify(Kind::refresh, refresh_token);
    if (!claims) return tl::unexpected(stale());
    const store::Session next{SessionId{claims->session}, claims->customer, token::make_id(),
                              tokens_.lifetime(Kind::refresh)};
    auto role = token::Role::customer;
    // Commits what a refusal leaves behind: the session that it revokes.
    const auto run = [&](pqxx::work& tx) -> std::optional<Refusal> {
        const auto session = store::lock_session(tx, next.id, next.customer);
        if (!session || session->revoked) return stale();
        role = session->role;
        // An earlier run's commit went through, though its answer was lost.
        if (session->refresh_id == next.refresh_id) return std::nullopt;
        if (session->refresh_id != claims->id && !faults::mutant("no_reuse_detection")) {
            store::revoke_session(tx, next.id);
            return stale();
        }
        if (!session->active) return inactive();
        store::renew_session(tx, next);
        return std::nullopt;
    };
    const auto refusal = transact(pool_, run, {.repeatable = true});
    if (refusal) return tl::unexpected(*refusal);
    return issue(next, role);
}

tl::expected<void, Refusal> AccountService::logout(std::string_view refresh_token) {
    const auto claims = tokens_.verify(Kind::refresh, refresh_token);
    if (!claims) return tl::unexpected(stale());
    const auto run = [&](pqxx::work& tx) {
        store::revoke_session(tx, SessionId{claims->session});
        return true;
    };
    transact(pool_, run, {.repeatable = true});
    return {};
}

tl::expected<token::Claims, token::Flaw> AccountService::judge(std::string_view access_token) {
    const auto claims = tokens_.verify(Kind::access, access_token);
    if (!claims) return tl::unexpected(claims.error());
    const auto run = [&](auto& tx) {
        return store::session_counts(tx, SessionId{claims->session}, claims->customer);
    };
    if (!query(pool_, run)) return tl::unexpected(token::Flaw::invalid);
    return *claims;
}

}  // namespace domain::account

// SQL of the account service. Every function works inside the caller's transaction.
#pragma once

#include <chrono>
#include <optional>
#include <pqxx/transaction_base>
#include <string>

#include "domain/account/account.hpp"
#include "domain/account/options.hpp"
#include "domain/token.hpp"

namespace domain::account::store {

// False, and nothing inserted, when the e-mail address or the phone number is taken. Waits for a
// registration of the same that is still running.
bool insert(pqxx::transaction_base& tx, CustomerId id, const Registration& registration,
            const std::string& hash);

struct Credentials {
    CustomerId customer;
    bool active;
    token::Role role;
    std::string hash;
};
std::optional<Credentials> find_credentials(pqxx::transaction_base& tx, const std::string& email);
void replace_hash(pqxx::transaction_base& tx, const Credentials& old, const std::string& hash);

// Nothing when there is no such account.
std::optional<Personal> personal(pqxx::transaction_base& tx, CustomerId id);
std::optional<Delivery> delivery(pqxx::transaction_base& tx, CustomerId id);

// False when there is no such account. Throws pqxx::unique_violation when e-mail address or phone
// number is taken.
bool save(pqxx::transaction_base& tx, CustomerId id, const Personal& personal);
bool save(pqxx::transaction_base& tx, CustomerId id, const Delivery& delivery);

struct Session {
    SessionId id;
    CustomerId customer;
    std::string refresh_id;         // of the one refresh token that counts
    std::chrono::seconds lifetime;  // from now
};
// Also forgets the customer's sessions that have ended by themselves. Does nothing the second time.
void open_session(pqxx::transaction_base& tx, const Session& session);

struct SessionState {
    std::string refresh_id;
    bool revoked, active;
    token::Role role;  // of the account, now
};
// Locks the session until the transaction ends.
std::optional<SessionState> lock_session(pqxx::transaction_base& tx, SessionId id,
                                         CustomerId customer);
void renew_session(pqxx::transaction_base& tx, const Session& session);
void revoke_session(pqxx::transaction_base& tx, SessionId id);

// Neither revoked nor ended, and the account is active.
bool session_counts(pqxx::transaction_base& tx, SessionId id, CustomerId customer);

// Counts a login that begins; how long to wait, when there have been too many.
std::optional<std::chrono::seconds> begin_login(pqxx::transaction_base& tx,
                                                const std::string& email,
                                                const std::string& address,
                                                const ThrottleOptions& limits);
// It succeeded: forgets those of the account, and this one of the address.
void forgive_login(pqxx::transaction_base& tx, const std::string& email, const std::string& address,
                   const ThrottleOptions& limits);
// It was not tried.
void discount_login(pqxx::transaction_base& tx, const std::string& email,
                    const std::string& address);

}  // namespace domain::account::store

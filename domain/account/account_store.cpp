#include "domain/account/account_store.hpp"

#include <algorithm>
#include <pqxx/pqxx>

#include "faults.hpp"
#include "outbox/prepared.hpp"

namespace domain::account::store {
namespace {

constexpr auto insert_account = R"(
insert into accounts (id, first_name, last_name, email, address, phone_number, password)
values ($1, $2, $3, $4, $5, $6, $7) on conflict do nothing)";

constexpr auto select_credentials = R"(
select id, active, role, password from accounts where lower(email collate "C") = $1)";

// Unless another login was faster.
constexpr auto update_password = R"(
update accounts set password = $3 where id = $1 and password = $2)";

constexpr auto select_personal = R"(
select first_name, last_name, email from accounts where id = $1)";

constexpr auto select_delivery = R"(
select address, phone_number from accounts where id = $1)";

constexpr auto update_personal = R"(
update accounts set first_name = $2, last_name = $3, email = $4, updated_at = clock_timestamp()
where id = $1)";

constexpr auto update_delivery = R"(
update accounts set address = $2, phone_number = $3, updated_at = clock_timestamp()
where id = $1)";

constexpr auto delete_ended_sessions = R"(
delete from sessions where account_id = $1 and expires_at < clock_timestamp())";

constexpr auto insert_session = R"(
insert into sessions (id, account_id, refresh_id, expires_at)
values ($1, $2, $3, clock_timestamp() + make_interval(secs => $4)) on conflict (id) do nothing)";

constexpr auto select_session = R"(
select s.refresh_id, s.revoked_at is not null, a.active, a.role
from sessions s join accounts a on a.id = s.account_id
where s.id = $1 and s.account_id = $2 for update of s)";

constexpr auto update_session = R"(
update sessions set refresh_id = $2, expires_at = clock_timestamp() + make_interval(secs => $3)
where id = $1)";

constexpr auto update_revoked = R"(
update sessions set revoked_at = clock_timestamp() where id = $1 and revoked_at is null)";

constexpr auto select_counts = R"(
select exists (
    select from sessions s join accounts a on a.id = s.account_id
    where s.id = $1 and s.account_id = $2 and s.revoked_at is null
      and s.expires_at > clock_timestamp() and a.active))";

// Digests, so that what strangers type in stays out of the table.
constexpr auto count_login = R"(
insert into login_attempts as l (key, attempts)
values (sha256(convert_to($1, 'UTF8')), 1)
on conflict (key) do update set
    attempts = case when l.since < clock_timestamp() - make_interval(secs => $3) then 1
                    else least(l.attempts, $2) + 1 end,
    since = case when l.since < clock_timestamp() - make_interval(secs => $3)
                 then clock_timestamp() else l.since end
returning attempts,
          greatest(1, ceil(extract(epoch from since - clock_timestamp()) + $3))::bigint)";

constexpr auto forgive = R"(
update login_attempts set attempts = case when $2 then 0 else greatest(attempts - 1, 0) end
where key = sha256(convert_to($1, 'UTF8')))";

constexpr auto delete_old_attempts = R"(
delete from login_attempts where key in (
    select key from login_attempts where since < clock_timestamp() - make_interval(secs => $1)
    limit 100 for update skip locked))";

std::string account_key(const std::string& email) { return "account " + key_of(email); }
std::string address_key(const std::string& address) { return "address " + address; }

}  // namespace

bool insert(pqxx::transaction_base& tx, CustomerId id, const Registration& registration,
            const std::string& hash) {
    const auto& [personal, delivery, password] = registration;
    return outbox::exec(tx, insert_account,
                        pqxx::params{id.value, personal.first_name, personal.last_name,
                                     personal.email, delivery.address, delivery.phone_number, hash})
               .affected_rows() == 1;
}

std::optional<Credentials> find_credentials(pqxx::transaction_base& tx, const std::string& email) {
    const auto row = outbox::exec(tx, select_credentials, pqxx::params{key_of(email)}).opt_row();
    if (!row) return std::nullopt;
    const auto [id, active, role, hash] = row->as<std::int64_t, bool, std::string, std::string>();
    return Credentials{CustomerId{id}, active, token::parse_role(role).value(), hash};
}

void replace_hash(pqxx::transaction_base& tx, const Credentials& old, const std::string& hash) {
    outbox::exec(tx, update_password, pqxx::params{old.customer.value, old.hash, hash}).no_rows();
}

std::optional<Personal> personal(pqxx::transaction_base& tx, CustomerId id) {
    const auto row = outbox::exec(tx, select_personal, pqxx::params{id.value}).opt_row();
    if (!row) return std::nullopt;
    const auto [first, last, email] = row->as<std::string, std::string, std::string>();
    return Personal{first, last, email};
}

std::optional<Delivery> delivery(pqxx::transaction_base& tx, CustomerId id) {
    const auto row = outbox::exec(tx, select_delivery, pqxx::params{id.value}).opt_row();
    if (!row) return std::nullopt;
    const auto [address, phone_number] = row->as<std::string, std::string>();
    return Delivery{address, phone_number};
}

bool save(pqxx::transaction_base& tx, CustomerId id, const Personal& personal) {
    return outbox::exec(
               tx, update_personal,
               pqxx::params{id.value, personal.first_name, personal.last_name, personal.email})
               .affected_rows() == 1;
}

bool save(pqxx::transaction_base& tx, CustomerId id, const Delivery& delivery) {
    return outbox::exec(tx, update_delivery,
                        pqxx::params{id.value, delivery.address, delivery.phone_number})
               .affected_rows() == 1;
}

void open_session(pqxx::transaction_base& tx, const Session& session) {
    outbox::exec(tx, delete_ended_sessions, pqxx::params{session.customer.value}).no_rows();
    outbox::exec(tx, insert_session,
                 pqxx::params{session.id.value, session.customer.value, session.refresh_id,
                              session.lifetime.count()})
        .no_rows();
}

std::optional<SessionState> lock_session(pqxx::transaction_base& tx, SessionId id,
                                         CustomerId customer) {
    const auto row =
        outbox::exec(tx, select_session, pqxx::params{id.value, customer.value}).opt_row();
    if (!row) return std::nullopt;
    const auto [refresh_id, revoked, active, role] =
        row->as<std::string, bool, bool, std::string>();
    return SessionState{refresh_id, revoked, active, token::parse_role(role).value()};
}

void renew_session(pqxx::transaction_base& tx, const Session& session) {
    outbox::exec(tx, update_session,
                 pqxx::params{session.id.value, session.refresh_id, session.lifetime.count()})
        .no_rows();
}

void revoke_session(pqxx::transaction_base& tx, SessionId id) {
    outbox::exec(tx, update_revoked, pqxx::params{id.value}).no_rows();
}

bool session_counts(pqxx::transaction_base& tx, SessionId id, CustomerId customer) {
    return outbox::exec(tx, select_counts, pqxx::params{id.value, customer.value})
        .one_field()
        .as<bool>();
}

std::optional<std::chrono::seconds> begin_login(pqxx::transaction_base& tx,
                                                const std::string& email,
                                                const std::string& address,
                                                const ThrottleOptions& limits) {
    std::optional<std::chrono::seconds> wait;
    // In this order everywhere, so that no two logins wait for each other.
    for (const auto& [key, most] : {std::pair{account_key(email), limits.of_account},
                                    std::pair{address_key(address), limits.of_address}}) {
        const auto [attempts, rest] =
            outbox::exec(tx, count_login, pqxx::params{key, most, limits.window.count()})
                .one_row()
                .as<int, std::int64_t>();
        if (key == address_key(address) && faults::mutant("no_address_throttle")) continue;
        if (attempts > most) wait = std::max(wait, std::optional{std::chrono::seconds{rest}});
    }
    return wait;
}

void forgive_login(pqxx::transaction_base& tx, const std::string& email, const std::string& address,
                   const ThrottleOptions& limits) {
    outbox::exec(tx, forgive, pqxx::params{account_key(email), true}).no_rows();
    outbox::exec(tx, forgive, pqxx::params{address_key(address), false}).no_rows();
    outbox::exec(tx, delete_old_attempts, pqxx::params{limits.window.count()}).no_rows();
}

void discount_login(pqxx::transaction_base& tx, const std::string& email,
                    const std::string& address) {
    outbox::exec(tx, forgive, pqxx::params{account_key(email), false}).no_rows();
    outbox::exec(tx, forgive, pqxx::params{address_key(address), false}).no_rows();
}

}  // namespace domain::account::store

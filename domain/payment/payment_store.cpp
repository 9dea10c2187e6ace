#include "domain/payment/payment_store.hpp"

#include <nlohmann/json.hpp>
#include <pqxx/pqxx>

namespace domain::payment::store {
namespace {

constexpr auto select_limit = R"(
select most from payment_limit where currency_code = $1)";

constexpr auto insert_payment = R"(
insert into payments (id, customer_id, currency_code, amount, status, decline_reason,
                      provider, taken, rolled_back, due_at)
values ($1, $2, $3, $4, $5, nullif($6, ''), $7, $8, $9, case when $10 then clock_timestamp() end)
on conflict (id) do nothing)";

constexpr auto select_for_update = R"(
select from payments where id = $1 for update)";

constexpr auto select_payment = R"(
select id, customer_id, currency_code, amount, status, coalesce(decline_reason, ''),
       provider, reference, taken, rolled_back
from payments where id = $1)";

constexpr auto move_payment = R"(
select payment.move($1, $2, nullif($3, ''), $4, $5, $6, $7))";

constexpr auto update_kept = R"(
update payments set purchase = $2::json, headers = $3::jsonb where id = $1)";

constexpr auto select_kept = R"(
select purchase::text, headers::text from payments where id = $1 and purchase is not null)";

// A provider forgets idempotency keys after a day: what is still open then is a person's.
constexpr auto claim_due = R"(
with due as (
    select id from payments
    where due_at <= clock_timestamp() and provider = $1
        and case when taken then updated_at else created_at end > clock_timestamp() - interval '23 hours'
    order by due_at limit $2 for update skip locked
)
update payments p
set due_at = clock_timestamp() + $3 * interval '1 ms', attempts = attempts + 1
from due where due.id = p.id
returning p.id, customer_id, currency_code, amount, status, coalesce(decline_reason, ''),
          p.provider, reference, taken, rolled_back)";

constexpr auto postpone_due = R"(
update payments
set due_at = clock_timestamp() + least($2 * interval '1 ms' * 2 ^ (attempts - 1), interval '5 min')
where id = $1 and due_at is not null)";

constexpr auto count_overdue = R"(
select status, count(*) from payments
where due_at is not null and updated_at < clock_timestamp() - make_interval(secs => $1)
group by status)";

Payment to_payment(const pqxx::row& row) {
    const auto [id, customer, currency, amount, status, reason, provider, reference, taken,
                rolled_back] =
        row.as<std::int64_t, std::int64_t, std::string, std::int64_t, std::string, std::string,
               std::string, std::string, bool, bool>();
    return Payment{PaymentId{id},
                   CustomerId{customer},
                   {amount, Currency::parse(currency).value()},
                   parse_status(status),
                   reason,
                   provider,
                   reference,
                   taken,
                   rolled_back};
}

}  // namespace

Limit limit(pqxx::transaction_base& tx, Currency currency) {
    const auto row = tx.exec(select_limit, pqxx::params{currency.code()}).opt_row();
    if (!row) return std::nullopt;
    return Money{(*row)[0].as<std::int64_t>(), currency};
}

bool insert(pqxx::transaction_base& tx, const Payment& payment) {
    const auto inserted = tx.exec(
        insert_payment,
        pqxx::params{payment.id.value, payment.customer.value, payment.amount.currency.code(),
                     payment.amount.minor, to_string(payment.status), payment.decline_reason,
                     payment.provider, payment.taken, payment.rolled_back, waits(payment)});
    return inserted.affected_rows() == 1;
}

std::optional<Payment> find(pqxx::transaction_base& tx, PaymentId id) {
    const auto row = tx.exec(select_payment, pqxx::params{id.value}).opt_row();
    if (!row) return std::nullopt;
    return to_payment(*row);
}

std::optional<Payment> lock(pqxx::transaction_base& tx, PaymentId id) {
    // Locked by a statement of its own: the next one sees what the lock's former holder committed.
    if (tx.exec(select_for_update, pqxx::params{id.value}).empty()) return std::nullopt;
    return find(tx, id);
}

void save(pqxx::transaction_base& tx, const Payment& payment) {
    tx.exec(move_payment,
            pqxx::params{payment.id.value, to_string(payment.status), payment.decline_reason,
                         payment.reference, payment.taken, payment.rolled_back, waits(payment)})
        .one_row();
}

void keep(pqxx::transaction_base& tx, const Command& command) {
    tx.exec(update_kept, pqxx::params{command.id.value, command.purchase,
                                      nlohmann::json(command.headers).dump()})
        .no_rows();
    tx.exec("notify payment_due").no_rows();
}

std::optional<Command> kept(pqxx::transaction_base& tx, PaymentId id) {
    const auto row = tx.exec(select_kept, pqxx::params{id.value}).opt_row();
    if (!row) return std::nullopt;
    const auto [purchase, headers] = row->as<std::string, std::string>();
    return Command{PurchaseId{id.value},
                   {},
                   purchase,
                   nlohmann::json::parse(headers).get<std::map<std::string, std::string>>()};
}

std::vector<Payment> claim(pqxx::transaction_base& tx, std::string_view provider, int most,
                           std::chrono::milliseconds lease) {
    std::vector<Payment> claimed;
    for (const auto& row : tx.exec(claim_due, pqxx::params{provider, most, lease.count()}))
        claimed.push_back(to_payment(row));
    return claimed;
}

void postpone(pqxx::transaction_base& tx, PaymentId id, std::chrono::milliseconds first_backoff) {
    tx.exec(postpone_due, pqxx::params{id.value, first_backoff.count()}).no_rows();
}

std::map<std::string, double> overdue(pqxx::transaction_base& tx, std::chrono::seconds limit) {
    std::map<std::string, double> counts{{"PENDING", 0}, {"REFUNDING", 0}};
    for (const auto& [status, count] :
         tx.query<std::string, double>(count_overdue, pqxx::params{limit.count()})) {
        counts[status] = count;
    }
    return counts;
}

}  // namespace domain::payment::store

#include "domain/payment/payment_store.hpp"

#include <nlohmann/json.hpp>
#include <pqxx/pqxx>
#include <utility>

#include "domain/numbers.hpp"
#include "outbox/prepared.hpp"

namespace domain::payment::store {
namespace {

constexpr auto select_limits = R"(
select currency_code, most from payment_limit)";

constexpr auto insert_payments = R"(
insert into payments (id, customer_id, currency_code, amount, status, decline_reason, provider,
                      reference, taken, rolled_back, due_at)
select p.id, p.customer_id, p.currency_code, p.amount, p.status, nullif(p.decline_reason, ''), p.provider,
       p.reference, p.taken, p.rolled_back, case when p.waits then clock_timestamp() end
from unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::bool[], $6::bool[], $7::bool[],
            $8::bigint[], $9::text[], $10::bigint[], $11::text[])
     p (id, status, decline_reason, reference, taken, rolled_back, waits,
        customer_id, currency_code, amount, provider)
order by p.id
on conflict (id) do nothing)";

constexpr auto select_for_update = R"(
select id, customer_id, currency_code, amount, status, coalesce(decline_reason, ''),
       provider, reference, taken, rolled_back
from payments where id = any ($1) order by id for update)";

constexpr auto select_payment = R"(
select id, customer_id, currency_code, amount, status, coalesce(decline_reason, ''),
       provider, reference, taken, rolled_back
from payments where id = $1)";

constexpr auto move_payments = R"(
select payment.move($1, $2, $3, $4, $5, $6, $7))";

constexpr auto update_kept = R"(
update payments p set purchase = c.purchase::json, headers = c.headers::jsonb
from unnest($1::bigint[], $2::text[], $3::text[]) c (id, purchase, headers) where p.id = c.id)";

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

// What insert and save both write: arrays, one a column.
struct States {
    explicit States(std::span<const Payment> payments) {
        for (const auto& payment : payments) {
            ids.push_back(payment.id.value);
            statuses.emplace_back(to_string(payment.status));
            reasons.push_back(payment.decline_reason);
            references.push_back(payment.reference);
            taken.push_back(pqxx::to_string(payment.taken));
            rolled_back.push_back(pqxx::to_string(payment.rolled_back));
            waiting.push_back(pqxx::to_string(waits(payment)));
        }
    }
    pqxx::params params() const {
        return {ids, statuses, reasons, references, taken, rolled_back, waiting};
    }

    std::vector<std::int64_t> ids;
    std::vector<std::string> statuses, reasons, references, taken, rolled_back, waiting;
};

}  // namespace

std::map<Currency, Money> limits(pqxx::transaction_base& tx) {
    std::map<Currency, Money> found;
    for (const auto& [code, most] :
         outbox::exec(tx, select_limits).iter<std::string, std::int64_t>()) {
        const auto currency = Currency::parse(code).value();
        found.emplace(currency, Money{most, currency});
    }
    return found;
}

std::map<PaymentId, Payment> lock(pqxx::transaction_base& tx, const std::set<PaymentId>& ids) {
    std::map<PaymentId, Payment> found;
    for (const auto& row : outbox::exec(tx, select_for_update, pqxx::params{numbers(ids)})) {
        const auto payment = to_payment(row);
        found.emplace(payment.id, payment);
    }
    return found;
}

std::optional<Payment> find(pqxx::transaction_base& tx, PaymentId id) {
    const auto row = outbox::exec(tx, select_payment, pqxx::params{id.value}).opt_row();
    if (!row) return std::nullopt;
    return to_payment(*row);
}

void insert(pqxx::transaction_base& tx, std::span<const Payment> payments) {
    if (payments.empty()) return;
    std::vector<std::int64_t> customers, amounts;
    std::vector<std::string> currencies, providers;
    for (const auto& payment : payments) {
        customers.push_back(payment.customer.value);
        currencies.emplace_back(payment.amount.currency.code());
        amounts.push_back(payment.amount.minor);
        providers.push_back(payment.provider);
    }
    const auto inserted = outbox::exec(
        tx, insert_payments,
        pqxx::params{States{payments}.params(), customers, currencies, amounts, providers});
    if (std::cmp_less(inserted.affected_rows(), payments.size()))
        throw pqxx::serialization_failure{"another transaction inserted a payment", "", "40001"};
}

void save(pqxx::transaction_base& tx, std::span<const Payment> payments) {
    if (!payments.empty()) outbox::exec(tx, move_payments, States{payments}.params()).one_row();
}

void keep(pqxx::transaction_base& tx, const std::map<PaymentId, Command>& commands) {
    if (commands.empty()) return;
    std::vector<std::int64_t> ids;
    std::vector<std::string> purchases, headers;
    for (const auto& [id, command] : commands) {
        ids.push_back(id.value);
        purchases.push_back(command.purchase);
        headers.push_back(nlohmann::json(command.headers).dump());
    }
    outbox::exec(tx, update_kept, pqxx::params{ids, purchases, headers}).no_rows();
    tx.exec("notify payment_due").no_rows();
}

std::optional<Command> kept(pqxx::transaction_base& tx, PaymentId id) {
    const auto row = outbox::exec(tx, select_kept, pqxx::params{id.value}).opt_row();
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
    for (const auto& row : outbox::exec(tx, claim_due, pqxx::params{provider, most, lease.count()}))
        claimed.push_back(to_payment(row));
    return claimed;
}

void postpone(pqxx::transaction_base& tx, PaymentId id, std::chrono::milliseconds first_backoff) {
    outbox::exec(tx, postpone_due, pqxx::params{id.value, first_backoff.count()}).no_rows();
}

std::map<std::string, double> overdue(pqxx::transaction_base& tx, std::chrono::seconds limit) {
    std::map<std::string, double> counts{{"PENDING", 0}, {"REFUNDING", 0}};
    for (const auto& [status, count] :
         outbox::exec(tx, count_overdue, pqxx::params{limit.count()}).iter<std::string, double>()) {
        counts[status] = count;
    }
    return counts;
}

}  // namespace domain::payment::store

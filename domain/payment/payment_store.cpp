#include "domain/payment/payment_store.hpp"

#include <pqxx/pqxx>

namespace domain::payment::store {
namespace {

constexpr auto select_limit = R"(
select most from payment_limit where currency_code = $1)";

constexpr auto insert_payment = R"(
insert into payments (id, order_id, customer_id, currency_code, amount, status, decline_reason)
values ($1, $2, $3, $4, $5, $6, nullif($7, ''))
on conflict (id) do nothing)";

constexpr auto select_payment = R"(
select order_id, customer_id, currency_code, amount, status, coalesce(decline_reason, '')
from payments where id = $1)";

}  // namespace

Limit limit(pqxx::transaction_base& tx, Currency currency) {
    const auto row = tx.exec(select_limit, pqxx::params{currency.code()}).opt_row();
    if (!row) return std::nullopt;
    return Money{(*row)[0].as<std::int64_t>(), currency};
}

bool insert(pqxx::transaction_base& tx, const Payment& payment) {
    const auto inserted = tx.exec(
        insert_payment, pqxx::params{payment.id.value, payment.order.value, payment.customer.value,
                                     payment.amount.currency.code(), payment.amount.minor,
                                     to_string(payment.status), payment.decline_reason});
    return inserted.affected_rows() == 1;
}

std::optional<Payment> find(pqxx::transaction_base& tx, PaymentId id) {
    const auto row = tx.exec(select_payment, pqxx::params{id.value}).opt_row();
    if (!row) return std::nullopt;
    const auto [order, customer, currency, amount, status, reason] =
        row->as<std::int64_t, std::int64_t, std::string, std::int64_t, std::string, std::string>();
    return Payment{id,
                   OrderId{order},
                   CustomerId{customer},
                   {amount, Currency::parse(currency).value()},
                   parse_status(status),
                   reason};
}

}  // namespace domain::payment::store

#include "domain/payment/ledger.hpp"

#include <format>
#include <pqxx/pqxx>

#include "domain/transact.hpp"

namespace domain::payment {
namespace {

constexpr auto book = "select payment.book($1, $2, nullif($3, ''), $4, $5, $6, $7)";
constexpr auto sales = "sales";

std::string key(const char* what, const Payment& payment) {
    return std::format("{}-{}", what, payment.id.value);
}

std::string customer(const Payment& payment) {
    return std::format("customer:{}", payment.customer.value);
}

}  // namespace

std::optional<Verdict> Ledger::take_within(pqxx::transaction_base& tx, const Payment& payment) {
    tx.exec(book, pqxx::params{key("take", payment), payment.id.value, "", customer(payment), sales,
                               payment.amount.currency.code(), payment.amount.minor})
        .one_row();
    return Taken{key("take", payment)};
}

bool Ledger::refund_within(pqxx::transaction_base& tx, const Payment& payment) {
    tx.exec(book,
            pqxx::params{key("refund", payment), payment.id.value, key("take", payment), sales,
                         customer(payment), payment.amount.currency.code(), payment.amount.minor})
        .one_row();
    return true;
}

Verdict Ledger::take(const Payment& payment) {
    return transact(pool_, [&](pqxx::work& tx) { return take_within(tx, payment).value(); },
                    {.repeatable = true});
}

void Ledger::refund(const Payment& payment) {
    transact(pool_, [&](pqxx::work& tx) { return refund_within(tx, payment); },
             {.repeatable = true});
}

}  // namespace domain::payment

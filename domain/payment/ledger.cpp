#include "domain/payment/ledger.hpp"

#include <format>
#include <pqxx/pqxx>

#include "domain/transact.hpp"
#include "outbox/prepared.hpp"

namespace domain::payment {
namespace {

constexpr auto book_all = "select payment.book($1, $2, $3, $4, $5, $6, $7)";
constexpr auto sales = "sales";

std::string key(const char* what, const Payment& payment) {
    return std::format("{}-{}", what, payment.id.value);
}

std::string customer(const Payment& payment) {
    return std::format("customer:{}", payment.customer.value);
}

// From the customers to the sales; or back, which reverses it.
void book(pqxx::transaction_base& tx, std::span<const Payment> payments, bool back) {
    if (payments.empty()) return;
    std::vector<std::string> keys, reverses, from, to, currencies;
    std::vector<std::int64_t> ids, amounts;
    for (const auto& payment : payments) {
        keys.push_back(key(back ? "refund" : "take", payment));
        ids.push_back(payment.id.value);
        reverses.push_back(back ? key("take", payment) : "");
        from.push_back(back ? sales : customer(payment));
        to.push_back(back ? customer(payment) : sales);
        currencies.emplace_back(payment.amount.currency.code());
        amounts.push_back(payment.amount.minor);
    }
    outbox::exec(tx, book_all, pqxx::params{keys, ids, reverses, from, to, currencies, amounts})
        .one_row();
}

}  // namespace

std::vector<Verdict> Ledger::take_within(pqxx::transaction_base& tx,
                                         std::span<const Payment> payments) {
    book(tx, payments, false);
    std::vector<Verdict> verdicts;
    verdicts.reserve(payments.size());
    for (const auto& payment : payments) verdicts.emplace_back(Taken{key("take", payment)});
    return verdicts;
}

bool Ledger::refund_within(pqxx::transaction_base& tx, std::span<const Payment> payments) {
    book(tx, payments, true);
    return true;
}

Verdict Ledger::take(const Payment& payment) {
    return transact(pool_, [&](pqxx::work& tx) { return take_within(tx, {&payment, 1}).front(); },
                    {.repeatable = true});
}

void Ledger::refund(const Payment& payment) {
    transact(pool_, [&](pqxx::work& tx) { return refund_within(tx, {&payment, 1}); },
             {.repeatable = true});
}

}  // namespace domain::payment

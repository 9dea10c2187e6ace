#include "domain/payment/payment_service.hpp"

#include <outbox/append.hpp>

#include "domain/payment/payment_store.hpp"
#include "domain/transact.hpp"

namespace domain::payment {
namespace {

constexpr auto create_payment = "CreatePayment";
constexpr auto rollback_payment = "RollbackPayment";

// Replies to the command that was heard just now, and to those that could not be answered before.
void tell(pqxx::transaction_base& tx, const Payment& before, const Payment& now, Command command,
          std::string_view heard) {
    const auto reply_to = [&](const char* type, auto answer) {
        const auto outcome = answer(now);
        if (!outcome || (heard != type && answer(before))) return;
        command.type = type;
        outbox::append(tx, reply(command, *outcome));
    };
    reply_to(create_payment, answer_to_create);
    reply_to(rollback_payment, answer_to_rollback);
}

// As far as the provider can go within this transaction.
Payment advance(pqxx::transaction_base& tx, Payment payment, Provider& provider) {
    if (payment.provider != provider.name()) return payment;
    if (waits(payment) && !payment.taken) {
        if (const auto verdict = provider.take_within(tx, payment))
            payment = heard(std::move(payment), *verdict);
    }
    if (waits(payment) && payment.taken && provider.refund_within(tx, payment))
        payment = given_back(std::move(payment));
    return payment;
}

void change(pqxx::transaction_base& tx, const Payment& before, const Payment& now,
            const Command& command, std::string_view heard) {
    if (now != before) store::save(tx, now);
    if (waits(now)) store::keep(tx, command);
    tell(tx, before, now, command, heard);
}

template <class Decide>
void settle_by(pqxx::transaction_base& tx, PaymentId id, Decide decide) {
    const auto before = store::lock(tx, id);
    if (!before) return;
    const auto now = decide(*before);
    if (now == *before) return;
    const auto command = store::kept(tx, id);
    if (!command) return;
    store::save(tx, now);
    tell(tx, *before, now, *command, {});
}

}  // namespace

void create(pqxx::transaction_base& tx, const Demand& demand, const Command& command,
            Provider& provider) {
    const auto asked = ask(demand, store::limit(tx, demand.amount.currency), provider.name());
    if (store::insert(tx, asked)) {
        return change(tx, asked, advance(tx, asked, provider), command, create_payment);
    }
    const auto before = store::lock(tx, asked.id).value();
    tell(tx, before, before, command, create_payment);
}

void roll_back(pqxx::transaction_base& tx, const Command& command, Provider& provider) {
    // The tombstone first: a payment that comes at this moment waits for it, or it for the payment.
    const auto none = tombstone(PaymentId{command.id.value});
    if (store::insert(tx, none)) return tell(tx, none, none, command, rollback_payment);
    const auto before = store::lock(tx, none.id).value();
    change(tx, before, advance(tx, roll_back(before), provider), command, rollback_payment);
}

void settle(pqxx::transaction_base& tx, PaymentId id, const Verdict& verdict) {
    settle_by(tx, id, [&](const Payment& payment) { return heard(payment, verdict); });
}

void settle_refund(pqxx::transaction_base& tx, PaymentId id) { settle_by(tx, id, given_back); }

std::optional<Payment> find(Pool& pool, PaymentId id) {
    return transact(pool, [&](pqxx::work& tx) { return store::find(tx, id); });
}

std::map<std::string, double> overdue(Pool& pool, std::chrono::seconds limit) {
    return transact(pool, [&](pqxx::work& tx) { return store::overdue(tx, limit); });
}

}  // namespace domain::payment

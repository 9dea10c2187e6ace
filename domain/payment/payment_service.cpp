#include "domain/payment/payment_service.hpp"

#include <map>
#include <outbox/append.hpp>
#include <vector>

#include "domain/payment/payment_store.hpp"
#include "domain/transact.hpp"

namespace domain::payment {
namespace {

constexpr auto create_payment = "CreatePayment";
constexpr auto rollback_payment = "RollbackPayment";

using Replies = std::vector<outbox::Event>;

// To the command that was heard just now, and to those that could not be answered before.
void tell(Replies& replies, const Payment& before, const Payment& now, Command command,
          std::string_view heard) {
    const auto reply_to = [&](const char* type, auto answer) {
        const auto outcome = answer(now);
        if (!outcome || (heard != type && answer(before))) return;
        command.type = type;
        replies.push_back(reply(command, *outcome));
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

// What commands make of payments; their replies leave together.
class Desk {
public:
    Desk(pqxx::transaction_base& tx, Provider& provider) : tx_{tx}, provider_{provider} {}

    void operator()(const Create& input) {
        const auto& [demand, command] = input;
        const auto asked = ask(demand, limit(demand.amount.currency), provider_.name());
        if (store::insert(tx_, asked))
            return change(asked, advance(tx_, asked, provider_), command, create_payment);
        const auto before = store::lock(tx_, asked.id).value();
        tell(replies_, before, before, command, create_payment);
    }
    void operator()(const RollBack& input) {
        // The tombstone first: a payment that comes at this moment waits for it, or it for the
        // payment.
        const auto none = tombstone(PaymentId{input.command.id.value});
        if (store::insert(tx_, none))
            return tell(replies_, none, none, input.command, rollback_payment);
        const auto before = store::lock(tx_, none.id).value();
        change(before, advance(tx_, roll_back(before), provider_), input.command, rollback_payment);
    }
    void answer() { outbox::append(tx_, replies_); }

private:
    Limit limit(Currency currency) {
        const auto known = limits_.find(currency);
        return known != limits_.end()
                   ? known->second
                   : limits_.emplace(currency, store::limit(tx_, currency)).first->second;
    }
    void change(const Payment& before, const Payment& now, const Command& command,
                std::string_view heard) {
        if (now != before) store::save(tx_, now);
        if (waits(now)) store::keep(tx_, command);
        tell(replies_, before, now, command, heard);
    }

    pqxx::transaction_base& tx_;
    Provider& provider_;
    std::map<Currency, Limit> limits_;
    Replies replies_;
};

template <class Decide>
void settle_by(pqxx::transaction_base& tx, PaymentId id, Decide decide) {
    const auto before = store::lock(tx, id);
    if (!before) return;
    const auto now = decide(*before);
    if (now == *before) return;
    const auto command = store::kept(tx, id);
    if (!command) return;
    store::save(tx, now);
    Replies replies;
    tell(replies, *before, now, *command, {});
    outbox::append(tx, replies);
}

}  // namespace

void hear(pqxx::transaction_base& tx, std::span<const Input> inputs, Provider& provider) {
    Desk desk{tx, provider};
    for (const auto& input : inputs) std::visit([&](const auto& each) { desk(each); }, input);
    desk.answer();
}

void settle(pqxx::transaction_base& tx, PaymentId id, const Verdict& verdict) {
    settle_by(tx, id, [&](const Payment& payment) { return heard(payment, verdict); });
}

void settle_refund(pqxx::transaction_base& tx, PaymentId id) { settle_by(tx, id, given_back); }

std::optional<Payment> find(Pool& pool, PaymentId id) {
    return query(pool, [&](auto& tx) { return store::find(tx, id); });
}

std::map<std::string, double> overdue(Pool& pool, std::chrono::seconds limit) {
    return query(pool, [&](auto& tx) { return store::overdue(tx, limit); });
}

}  // namespace domain::payment

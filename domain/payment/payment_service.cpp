#include "domain/payment/payment_service.hpp"

#include <map>
#include <optional>
#include <outbox/append.hpp>
#include <ranges>
#include <set>
#include <vector>

#include "domain/payment/payment_store.hpp"
#include "domain/transact.hpp"

namespace domain::payment {
namespace {

constexpr auto create_payment = "CreatePayment";
constexpr auto rollback_payment = "RollbackPayment";

std::optional<Outcome> answer_to(std::string_view type, const Payment& payment) {
    return type == create_payment ? answer_to_create(payment) : answer_to_rollback(payment);
}

const Command& command_of(const Input& input) {
    return std::visit([](const auto& each) -> const Command& { return each.command; }, input);
}

PaymentId payment_of(const Input& input) { return PaymentId{command_of(input).id.value}; }

// The payments that some commands are about, as they were found and as they become.
class Desk {
public:
    Desk(pqxx::transaction_base& tx, std::span<const Input> inputs, Provider& provider)
        : tx_{tx}, provider_{provider} {
        std::set<PaymentId> ids;
        for (const auto& input : inputs) ids.insert(payment_of(input));
        found_ = payments_ = store::lock(tx, ids);
    }

    void operator()(const Create& input) {
        const auto& demand = input.demand;
        if (payments_.contains(demand.id)) return;
        payments_.emplace(demand.id,
                          ask(demand, limit_in(demand.amount.currency), provider_.name()));
    }
    void operator()(const RollBack& input) {
        const PaymentId id{input.command.id.value};
        const auto [at, unknown] = payments_.try_emplace(id, tombstone(id));
        if (!unknown) at->second = roll_back(at->second);
    }

    // As far as the provider can go within this transaction.
    void advance() {
        const auto untaken = waiting(false);
        for (const auto& [payment, verdict] :
             std::views::zip(untaken, provider_.take_within(tx_, untaken)))
            payments_.at(payment.id) = heard(payment, verdict);
        const auto taken = waiting(true);
        if (!provider_.refund_within(tx_, taken)) return;
        for (const auto& payment : taken) payments_.at(payment.id) = given_back(payment);
    }

    // The commands' answers are what has become of their payments.
    void write(std::span<const Input> inputs) {
        std::vector<Payment> added, changed;
        for (const auto& [id, payment] : payments_) {
            const auto before = found_.find(id);
            if (before == found_.end()) {
                added.push_back(payment);
            } else if (payment != before->second) {
                changed.push_back(payment);
            }
        }
        store::insert(tx_, added);
        store::save(tx_, changed);
        std::map<PaymentId, Command> open;
        std::vector<outbox::Event> replies;
        for (const auto& input : inputs) {
            const auto& payment = payments_.at(payment_of(input));
            const auto& command = command_of(input);
            if (const auto outcome = answer_to(command.type, payment))
                replies.push_back(reply(command, *outcome));
            if (waits(payment)) open.insert_or_assign(payment.id, command);
        }
        store::keep(tx_, open);
        outbox::append(tx_, replies);
    }

private:
    Limit limit_in(const Currency& currency) {
        if (!limits_) limits_ = store::limits(tx_);
        const auto limit = limits_->find(currency);
        return limit == limits_->end() ? Limit{} : limit->second;
    }

    std::vector<Payment> waiting(bool taken) const {
        std::vector<Payment> found;
        for (const auto& [id, payment] : payments_) {
            if (waits(payment) && payment.taken == taken && payment.provider == provider_.name())
                found.push_back(payment);
        }
        return found;
    }

    pqxx::transaction_base& tx_;
    Provider& provider_;
    std::optional<std::map<Currency, Money>> limits_;  // once a new payment has asked for them
    std::map<PaymentId, Payment> found_, payments_;
};

template <class Decide>
void settle_by(pqxx::transaction_base& tx, PaymentId id, Decide decide) {
    const auto found = store::lock(tx, {id});
    if (found.empty()) return;
    const auto& before = found.at(id);
    const Payment now = decide(before);
    if (now == before) return;
    auto command = store::kept(tx, id);
    if (!command) return;
    store::save(tx, {&now, 1});
    std::vector<outbox::Event> replies;
    for (const auto* type : {create_payment, rollback_payment}) {
        const auto outcome = answer_to(type, now);
        if (!outcome || answer_to(type, before)) continue;
        command->type = type;
        replies.push_back(reply(*command, *outcome));
    }
    outbox::append(tx, replies);
}

}  // namespace

void hear(pqxx::transaction_base& tx, std::span<const Input> inputs, Provider& provider) {
    Desk desk{tx, inputs, provider};
    for (const auto& input : inputs) std::visit([&](const auto& each) { desk(each); }, input);
    desk.advance();
    desk.write(inputs);
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

#include "domain/payment/payment_service.hpp"

#include <outbox/append.hpp>

#include "domain/payment/payment_store.hpp"
#include "domain/transact.hpp"

namespace domain::payment {

void answer(pqxx::transaction_base& tx, const Demand& demand, const Trace& trace) {
    auto payment = decide(demand, store::limit(tx, demand.amount.currency));
    // The insert also locks the payment's row, so that its events keep the order of their commits.
    if (!store::insert(tx, payment)) payment = store::find(tx, payment.id).value();
    outbox::append(tx, {.aggregate_type = "payment",
                        .aggregate_id = std::to_string(payment.id.value),
                        .type = std::string{event_type(payment)},
                        .content = outbox::Json{event_json(payment)},
                        .headers = trace.headers()});
}

std::optional<Payment> find(Pool& pool, PaymentId id) {
    return transact(pool, [&](pqxx::work& tx) { return store::find(tx, id); });
}

}  // namespace domain::payment

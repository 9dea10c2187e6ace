#include "http/order/order_commands.hpp"

#include "domain/order/order_service.hpp"
#include "http/saga_command.hpp"

namespace http::order {

namespace domain_order = domain::order;

void subscribe_to_saga(outbox::Consumer& consumer) {
    consumer.on("CreateOrder", [](pqxx::transaction_base& tx, const outbox::Message& message) {
        domain_order::create(tx, read(domain_order::read_create_order, message), command(message));
    });
    consumer.on("RollbackOrder", [](pqxx::transaction_base& tx, const outbox::Message& message) {
        domain_order::roll_back(tx, command(message));
    });
    consumer.on("PurchaseResult", [](pqxx::transaction_base& tx, const outbox::Message& message) {
        const auto applied =
            domain_order::apply(tx, read(domain_order::read_purchase_result, message));
        // Trying again would be refused again: a person has to look at it.
        if (!applied) throw outbox::PoisonMessage(applied.error().detail);
    });
}

}  // namespace http::order

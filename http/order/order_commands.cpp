#include "http/order/order_commands.hpp"

#include <span>
#include <vector>

#include "domain/order/order_service.hpp"
#include "http/saga_command.hpp"

namespace http::order {
namespace {

namespace domain_order = domain::order;

domain_order::Input input(const outbox::Message& message) {
    if (message.type == "PurchaseResult") return read(domain_order::read_purchase_result, message);
    if (message.type == "RollbackOrder") return domain_order::RollBack{command(message)};
    return domain_order::Create{read(domain_order::read_create_order, message), command(message)};
}

}  // namespace

void subscribe_to_saga(outbox::Consumer& consumer) {
    consumer.on_batch(
        {"CreateOrder", "RollbackOrder", "PurchaseResult"},
        [](pqxx::transaction_base& tx, std::span<const outbox::Message* const> messages) {
            std::vector<domain_order::Input> inputs;
            inputs.reserve(messages.size());
            for (const auto* message : messages) inputs.push_back(input(*message));
            // Trying again would be refused again: a person has to look at it.
            const auto heard = domain_order::hear(tx, inputs);
            if (!heard) throw outbox::PoisonMessage(heard.error().detail);
        });
}

}  // namespace http::order

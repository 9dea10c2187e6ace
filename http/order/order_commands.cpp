#include "http/order/order_commands.hpp"

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

// A new order needs no invalidation: one that is not there is not remembered.
std::vector<std::string> changed_by(const domain_order::Input& input) {
    if (const auto* rollback = std::get_if<domain_order::RollBack>(&input))
        return {order_key(rollback->command.id.value)};
    const auto* result = std::get_if<domain_order::PurchaseResult>(&input);
    if (result == nullptr || !result->success) return {};
    return {order_key(result->order.value)};
}

}  // namespace

std::string order_key(std::int64_t id) { return "get_order:" + std::to_string(id); }

void subscribe_to_saga(outbox::Consumer& consumer, ServiceCache& cache) {
    consumer.on_batch({"CreateOrder", "RollbackOrder", "PurchaseResult"},
                      [&cache](pqxx::transaction_base& tx, outbox::Messages messages) {
                          std::vector<domain_order::Input> inputs;
                          inputs.reserve(messages.size());
                          for (const auto* message : messages) inputs.push_back(input(*message));
                          // Trying again would be refused again: a person has to look at it.
                          const auto heard = domain_order::hear(tx, inputs);
                          if (!heard) throw outbox::PoisonMessage(heard.error().detail);
                          for (const auto& each : inputs) {
                              for (const auto& key : changed_by(each)) cache.invalidate_later(key);
                          }
                      });
    cache.settle_after(consumer,
                       [](const outbox::Message& message) { return changed_by(input(message)); });
}

}  // namespace http::order

#include "http/payment/payment_commands.hpp"

#include <vector>

#include "domain/payment/payment_service.hpp"
#include "http/saga_command.hpp"

namespace http::payment {

namespace domain_payment = domain::payment;

namespace {

// A new payment needs no invalidation: one that is not there is not remembered.
std::vector<std::string> changed_by(const outbox::Message& message) {
    if (message.type != "RollbackPayment") return {};
    return {payment_key(domain::PaymentId{command(message).id.value})};
}

}  // namespace

std::string payment_key(domain::PaymentId id) { return "get_payment:" + std::to_string(id.value); }

void subscribe_to_saga(outbox::Consumer& consumer, domain_payment::Provider& provider,
                       ServiceCache& cache) {
    consumer.on_batch(
        {"CreatePayment", "RollbackPayment"},
        [&provider, &cache](pqxx::transaction_base& tx, outbox::Messages messages) {
            std::vector<domain_payment::Input> inputs;
            inputs.reserve(messages.size());
            for (const auto* message : messages) {
                if (message->type == "RollbackPayment") {
                    inputs.emplace_back(domain_payment::RollBack{command(*message)});
                } else {
                    inputs.emplace_back(domain_payment::Create{
                        read(domain_payment::read_create_payment, *message), command(*message)});
                }
            }
            domain_payment::hear(tx, inputs, provider);
            for (const auto* message : messages)
                for (const auto& key : changed_by(*message)) cache.invalidate_later(key);
        });
    cache.settle_after(consumer, changed_by);
}

}  // namespace http::payment

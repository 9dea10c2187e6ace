#include "http/payment/payment_commands.hpp"

#include <span>
#include <vector>

#include "domain/payment/payment_service.hpp"
#include "http/saga_command.hpp"

namespace http::payment {

namespace domain_payment = domain::payment;

void subscribe_to_saga(outbox::Consumer& consumer, domain_payment::Provider& provider) {
    consumer.on_batch(
        {"CreatePayment", "RollbackPayment"},
        [&provider](pqxx::transaction_base& tx, std::span<const outbox::Message* const> messages) {
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
        });
}

}  // namespace http::payment

#include "http/payment/payment_commands.hpp"

#include "domain/payment/payment_service.hpp"
#include "http/saga_command.hpp"

namespace http::payment {

namespace domain_payment = domain::payment;

void subscribe_to_saga(outbox::Consumer& consumer, domain_payment::Provider& provider) {
    consumer.on("CreatePayment",
                [&provider](pqxx::transaction_base& tx, const outbox::Message& message) {
                    domain_payment::create(tx, read(domain_payment::read_create_payment, message),
                                           command(message), provider);
                });
    consumer.on("RollbackPayment",
                [&provider](pqxx::transaction_base& tx, const outbox::Message& message) {
                    domain_payment::roll_back(tx, command(message), provider);
                });
}

}  // namespace http::payment

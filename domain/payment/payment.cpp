#include "domain/payment/payment.hpp"

#include <cstdio>
#include <cstdlib>
#include <format>

namespace domain::payment {

std::string_view to_string(Status status) { return status == Status::taken ? "TAKEN" : "DECLINED"; }

Status parse_status(std::string_view text) {
    for (const auto status : {Status::taken, Status::declined}) {
        if (text == to_string(status)) return status;
    }
    std::fputs("domain: a payment with an unknown status\n", stderr);
    std::abort();
}

Payment decide(const Demand& demand, const Limit& limit) {
    Payment payment{PaymentId{demand.order.value}, demand.order, demand.customer, demand.amount,
                    Status::taken};
    const auto decline = [&](std::string reason) {
        payment.status = Status::declined;
        payment.decline_reason = std::move(reason);
        return payment;
    };
    const auto currency = demand.amount.currency.code();
    if (!limit) return decline(std::format("currency {} is not supported", currency));
    if (demand.amount.minor < 0) return decline("the amount is negative");
    if (demand.amount.minor > limit->minor) {
        return decline(std::format("the amount is over the limit of {} {} minor units",
                                   limit->minor, currency));
    }
    return payment;
}

}  // namespace domain::payment

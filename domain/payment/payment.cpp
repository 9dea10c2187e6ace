#include "domain/payment/payment.hpp"

#include <cstdio>
#include <cstdlib>
#include <format>

namespace domain::payment {

std::string_view to_string(Status status) {
    switch (status) {
        case Status::pending:
            return "PENDING";
        case Status::taken:
            return "TAKEN";
        case Status::declined:
            return "DECLINED";
        case Status::refunding:
            return "REFUNDING";
        case Status::refunded:
            return "REFUNDED";
        case Status::cancelled:
            return "CANCELLED";
    }
    std::abort();
}

Status parse_status(std::string_view text) {
    for (const auto status : {Status::pending, Status::taken, Status::declined, Status::refunding,
                              Status::refunded, Status::cancelled}) {
        if (text == to_string(status)) return status;
    }
    std::fputs("domain: a payment with an unknown status\n", stderr);
    std::abort();
}

Payment ask(const Demand& demand, const Limit& limit, std::string_view provider) {
    Payment payment{demand.id, demand.customer, demand.amount, Status::pending};
    payment.provider = provider;
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

Payment tombstone(PaymentId id) {
    const auto no_currency = Currency::parse("XXX").value();  // ISO 4217's own code for it
    Payment payment{id, CustomerId{0}, {0, no_currency}, Status::cancelled};
    payment.rolled_back = true;
    return payment;
}

Payment heard(Payment payment, const Verdict& verdict) {
    if (payment.taken || !(waits(payment) || payment.status == Status::declined)) return payment;
    if (const auto* taken = std::get_if<Taken>(&verdict)) {
        payment.taken = true;
        payment.reference = taken->reference;
        // Who has been told that it was declined must not have paid.
        payment.status = payment.status == Status::pending ? Status::taken : Status::refunding;
    } else if (waits(payment)) {
        payment.status = Status::declined;
        payment.decline_reason = std::get<Declined>(verdict).reason;
    }
    return payment;
}

Payment roll_back(Payment payment) {
    payment.rolled_back = true;
    if (payment.status == Status::pending || payment.status == Status::taken)
        payment.status = Status::refunding;
    return payment;
}

Payment given_back(Payment payment) {
    if (payment.status == Status::refunding && payment.taken) payment.status = Status::refunded;
    return payment;
}

bool waits(const Payment& payment) {
    return payment.status == Status::pending || payment.status == Status::refunding;
}

std::optional<Outcome> answer_to_create(const Payment& payment) {
    const auto refuse = [](std::string detail) {
        return tl::unexpected(Refusal{Refusal::Reason::conflict, std::move(detail)});
    };
    if (payment.status == Status::cancelled)
        return refuse(std::format("purchase {} was rolled back before its payment was asked for",
                                  payment.id.value));
    if (!payment.decline_reason.empty()) return refuse(payment.decline_reason);
    if (payment.taken) return Outcome{};
    return std::nullopt;
}

std::optional<Outcome> answer_to_rollback(const Payment& payment) {
    if (!payment.rolled_back || waits(payment)) return std::nullopt;
    return Outcome{};
}

}  // namespace domain::payment

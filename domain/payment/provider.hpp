// The port to whoever moves the money: the local ledger, or a service elsewhere.
//
//   const auto answer = provider.take({payment.id, payment.customer, payment.amount});
//
// Every call is idempotent by the payment's number: a repeat, also after a time-out, a crash, or
// while the first call still runs, moves nothing again and gets the first call's answer. Calls
// throw when the answer is not known: repeat them later. Thread-safe.
#pragma once

#include <pqxx/transaction_base>
#include <span>
#include <string_view>
#include <vector>

#include "domain/payment/payment.hpp"

namespace domain::payment {

class Provider {
public:
    virtual ~Provider() = default;

    virtual std::string_view name() const = 0;

    virtual Verdict take(const Payment& payment) = 0;

    // Of what was taken; the payment has the reference that came with the verdict.
    virtual void refund(const Payment& payment) = 0;

    // The same within the caller's transaction, for books that are kept in its database: all of
    // them, with a verdict on each. The others do nothing and return no verdicts, or false: they
    // are called when the transaction has committed.
    virtual std::vector<Verdict> take_within(pqxx::transaction_base&, std::span<const Payment>) {
        return {};
    }
    virtual bool refund_within(pqxx::transaction_base&, std::span<const Payment>) { return false; }
};

}  // namespace domain::payment

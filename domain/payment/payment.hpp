// A payment: one try to take the amount of one order. Decided once; the answer never changes.
//
// Pure values and decisions: no clock, no database.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "domain/ids.hpp"
#include "domain/money.hpp"

namespace domain::payment {

enum class Status { taken, declined };
std::string_view to_string(Status status);
Status parse_status(
    std::string_view text);  // aborts on any other text: only our own rows are read with it

struct Payment {
    PaymentId id;  // the order's number: there is one payment an order
    OrderId order;
    CustomerId customer;
    Money amount;
    Status status;
    std::string decline_reason{};  // empty unless declined
    bool operator==(const Payment&) const = default;
};

struct Demand {
    OrderId order;
    CustomerId customer;
    Money amount;
};

// The most that one payment may take in the order's currency; nothing when the currency is not
// supported.
using Limit = std::optional<Money>;

Payment decide(const Demand& demand, const Limit& limit);

}  // namespace domain::payment

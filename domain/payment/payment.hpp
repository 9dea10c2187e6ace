// A payment: one try to take the amount of one purchase. A provider decides, at once or later, and
// the purchase's saga may roll it back:
//
//   PENDING ──taken──► TAKEN ──roll back──► REFUNDING ──given back──► REFUNDED
//      │                                     ▲    │
//      ├───roll back: first learn whether────┘    │declined: nothing to give back
//      └───declined──► DECLINED ◄─────────────────┘
//                          └─taken after all──► REFUNDING
//
// CANCELLED is a tombstone: rolled back before it was asked for, which is refused from now on.
// Whatever is heard again, or too late, changes nothing.
//
// Pure values and decisions: no clock, no database.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <variant>

#include "domain/ids.hpp"
#include "domain/money.hpp"
#include "domain/refusal.hpp"

namespace domain::payment {

enum class Status { pending, taken, declined, refunding, refunded, cancelled };
std::string_view to_string(Status status);
Status parse_status(
    std::string_view text);  // aborts on any other text: only our own rows are read with it

struct Payment {
    PaymentId id;  // the purchase's number: there is one payment a purchase
    CustomerId customer;
    Money amount;
    Status status;
    std::string decline_reason{};  // empty unless it was declined
    std::string provider{};        // who takes the money; empty in a tombstone
    std::string reference{};       // the provider's own number; empty while unknown
    bool taken = false;            // the provider has taken the money, whatever came then
    bool rolled_back = false;      // the saga has asked for it back
    bool operator==(const Payment&) const = default;
};

struct Demand {
    PaymentId id;
    CustomerId customer;
    Money amount;
};

// The most that one payment may take in the purchase's currency; nothing when the currency is not
// supported.
using Limit = std::optional<Money>;

// What a provider says to a payment.
struct Taken {
    std::string reference;
    bool operator==(const Taken&) const = default;
};
struct Declined {
    std::string reason;
    bool operator==(const Declined&) const = default;
};
using Verdict = std::variant<Taken, Declined>;

// Within the limit: PENDING, for the provider to decide. Otherwise DECLINED.
Payment ask(const Demand& demand, const Limit& limit, std::string_view provider);
Payment tombstone(PaymentId id);
Payment heard(Payment payment, const Verdict& verdict);
Payment roll_back(Payment payment);
Payment given_back(Payment payment);

// The provider is to be called: to take, or when taken to give back.
bool waits(const Payment& payment);

// The answers to the saga's commands; nothing while they are open, or were not given.
using Outcome = tl::expected<void, Refusal>;
std::optional<Outcome> answer_to_create(const Payment& payment);
std::optional<Outcome> answer_to_rollback(const Payment& payment);

}  // namespace domain::payment

// Identities: 64-bit numbers that cannot be mistaken for each other.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>

namespace domain {

template <class Tag>
struct Id {
    std::int64_t value;
    auto operator<=>(const Id&) const = default;
};

using CategoryId = Id<struct CategoryTag>;
using CustomerId = Id<struct CustomerTag>;
using OrderId = Id<struct OrderTag>;
using PaymentId = Id<struct PaymentTag>;
using ProductId = Id<struct ProductTag>;
using PurchaseId = Id<struct PurchaseTag>;  // also its order's and its payment's number

// Makes a number that no other call, here or in another process, has made or will make.
using IdMaker = std::function<std::int64_t()>;

}  // namespace domain

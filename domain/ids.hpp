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

using CustomerId = Id<struct CustomerTag>;
using OrderId = Id<struct OrderTag>;
using PaymentId = Id<struct PaymentTag>;
using ProductId = Id<struct ProductTag>;

// Makes a number that no other call, here or in another process, has made or will make.
using IdMaker = std::function<std::int64_t()>;

}  // namespace domain

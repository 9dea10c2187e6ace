// Money in whole minor units (cents) of one currency; never floating point.
//
//   const auto total = add(line, multiply(price, 3).value());   // nullopt when it does not fit
//
// Values, thread-safe. Adding two currencies is a broken invariant and aborts.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string_view>

namespace domain {

// A code in the form of ISO 4217: three capital letters. Whether anybody supports it is not asked
// here.
class Currency {
public:
    static std::optional<Currency> parse(std::string_view code);
    std::string_view code() const { return {code_.data(), code_.size()}; }
    auto operator<=>(const Currency&) const = default;

private:
    explicit Currency(std::array<char, 3> code) : code_(code) {}
    std::array<char, 3> code_;
};

struct Money {
    std::int64_t minor;
    Currency currency;
    bool operator==(const Money&) const = default;
};

std::optional<Money> add(Money left, Money right);
std::optional<Money> multiply(Money amount, std::int64_t factor);

}  // namespace domain

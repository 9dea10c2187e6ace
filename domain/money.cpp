#include "domain/money.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>

namespace domain {

std::optional<Currency> Currency::parse(std::string_view code) {
    if (code.size() != 3) return std::nullopt;
    if (!std::ranges::all_of(code, [](char c) { return c >= 'A' && c <= 'Z'; }))
        return std::nullopt;
    return Currency{{code[0], code[1], code[2]}};
}

std::optional<Money> add(Money left, Money right) {
    if (left.currency != right.currency) {
        std::fputs("domain: amounts of two currencies were added\n", stderr);
        std::abort();
    }
    std::int64_t sum = 0;
    if (__builtin_add_overflow(left.minor, right.minor, &sum)) return std::nullopt;
    return Money{sum, left.currency};
}

std::optional<Money> multiply(Money amount, std::int64_t factor) {
    std::int64_t product = 0;
    if (__builtin_mul_overflow(amount.minor, factor, &product)) return std::nullopt;
    return Money{product, amount.currency};
}

}  // namespace domain

#include "domain/money.hpp"

#include <gtest/gtest.h>

namespace domain {
namespace {

const Currency euro = Currency::parse("EUR").value();

TEST(Currency, HasThreeCapitalLetters) {
    EXPECT_EQ(euro.code(), "EUR");
    for (const auto* wrong : {"", "EU", "EURO", "eur", "EU1", "E R", "ÄÖ"}) {
        EXPECT_FALSE(Currency::parse(wrong)) << wrong;
    }
}

TEST(Money, AddsAndMultipliesMinorUnits) {
    EXPECT_EQ(add({199, euro}, {1, euro}), (Money{200, euro}));
    EXPECT_EQ(multiply({199, euro}, 3), (Money{597, euro}));
}

TEST(Money, SaysNothingRatherThanOverflowing) {
    EXPECT_FALSE(add({INT64_MAX, euro}, {1, euro}));
    EXPECT_FALSE(add({INT64_MIN, euro}, {-1, euro}));
    EXPECT_FALSE(multiply({INT64_MAX / 2 + 1, euro}, 2));
    EXPECT_EQ(multiply({INT64_MAX, euro}, 1), (Money{INT64_MAX, euro}));
}

TEST(MoneyDeathTest, NeverAddsTwoCurrencies) {
    const auto dollar = Currency::parse("USD").value();
    EXPECT_DEATH((void)add({1, euro}, {1, dollar}), "two currencies");
}

}  // namespace
}  // namespace domain

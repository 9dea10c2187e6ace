#include "http/revocations.hpp"

#include <gtest/gtest.h>

namespace {

using namespace std::chrono_literals;
using http::Revocations;

constexpr Revocations::Time now{1h};

TEST(Revocations, AreKeptUntilTheLastTokenOfTheSessionEnds) {
    Revocations revocations{10};
    revocations.keep(1, now + 10s);
    revocations.keep(1, now + 20s);
    revocations.keep(1, now + 15s);
    EXPECT_FALSE(revocations.has(2, now));
    EXPECT_TRUE(revocations.has(1, now + 19s));
    EXPECT_FALSE(revocations.has(1, now + 20s));
}

TEST(Revocations, AreNoMoreThanSoManyOfWhichTheSoonestEndIsForgotten) {
    Revocations revocations{2};
    revocations.keep(1, now + 30s);
    revocations.keep(2, now + 10s);
    revocations.keep(2, now + 40s);
    revocations.keep(3, now + 20s);
    EXPECT_FALSE(revocations.has(3, now));
    revocations.keep(4, now + 35s);
    EXPECT_FALSE(revocations.has(1, now));
    EXPECT_TRUE(revocations.has(2, now));
    EXPECT_TRUE(revocations.has(4, now));
}

}  // namespace

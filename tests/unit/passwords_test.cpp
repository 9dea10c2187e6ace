#include "domain/account/passwords.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

namespace domain::account {
namespace {

constexpr HashOptions cheap{.passes = 1, .memory_kib = 64};

TEST(Passwords, KnowTheRightOne) {
    Passwords passwords{cheap};
    const auto hash = passwords.hash("correct horse").value();
    EXPECT_TRUE(hash.starts_with("$argon2id$"));
    EXPECT_NE(hash, passwords.hash("correct horse").value());  // salted
    EXPECT_TRUE(passwords.verify(hash, "correct horse").value());
    for (const auto* wrong : {"", "correct horsf", "correct hors", "correct horse "})
        EXPECT_FALSE(passwords.verify(hash, wrong).value());
    EXPECT_FALSE(passwords.verify("not a hash", "correct horse").value());
    const std::string zero{"a\0b", 3};
    EXPECT_FALSE(passwords.verify(passwords.hash(zero).value(), "a").value());
}

TEST(Passwords, TakeNobodysForWrong) {
    Passwords passwords{cheap};
    for (const auto* any : {"", "correct horse", "the password of nobody"})
        EXPECT_FALSE(passwords.verify(std::nullopt, any).value());
    EXPECT_EQ(passwords.computed(), 3U);
}

TEST(Passwords, AreOutdatedUnderOtherParameters) {
    const auto hash = Passwords{cheap}.hash("x").value();
    EXPECT_FALSE(Passwords{cheap}.is_outdated(hash));
    EXPECT_TRUE((Passwords{{.passes = 2, .memory_kib = 64}}.is_outdated(hash)));
    EXPECT_TRUE((Passwords{{.passes = 1, .memory_kib = 128}}.is_outdated(hash)));
}

TEST(Passwords, AreRefusedWhenTooManyWait) {
    Passwords passwords{
        {.passes = 1, .memory_kib = 8192, .at_once = 1, .wait = std::chrono::milliseconds{0}}};
    std::atomic<bool> refused = false;
    const auto hash_until_refused = [&] {
        while (!refused) {
            const auto hash = passwords.hash("x");
            if (hash) continue;
            EXPECT_EQ(hash.error().reason, Refusal::Reason::busy);
            EXPECT_GT(hash.error().retry_after.count(), 0);
            refused = true;
        }
    };
    {
        const std::jthread one{hash_until_refused};
        const std::jthread other{hash_until_refused};
    }
    EXPECT_GE(passwords.refused(), 1U);
    EXPECT_TRUE(passwords.hash("x"));  // turns come back
}

TEST(Passwords, SayThatTheirParametersAreNone) {
    EXPECT_THROW((Passwords{{.passes = 0, .memory_kib = 64}}), std::invalid_argument);
}

}  // namespace
}  // namespace domain::account

// Passwords as argon2id hashes (RFC 9106), and a bound on how many are computed at a time: each
// takes its memory.
//
//   const auto hash = passwords.hash(password);             // or busy
//   const auto right = passwords.verify(*hash, password);   // takes as long for a wrong one
//
// Thread-safe.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <semaphore>
#include <string>
#include <tl/expected.hpp>

#include "domain/account/options.hpp"
#include "domain/refusal.hpp"

namespace domain::account {

class Passwords {
public:
    // Throws std::invalid_argument for options that libsodium does not take.
    explicit Passwords(const HashOptions& options);

    tl::expected<std::string, Refusal> hash(const std::string& password);

    // Without a hash, compares with one that no password has: nobody there takes as long as a wrong
    // password.
    tl::expected<bool, Refusal> verify(const std::optional<std::string>& hash,
                                       const std::string& password);

    // Hashes computed, to store or to compare with; and those that found no turn.
    std::uint64_t computed() const { return computed_; }
    std::uint64_t refused() const { return refused_; }

    // Whether the hash was made with other parameters than ours.
    bool is_outdated(const std::string& hash) const;

private:
    // Waits for a turn; calls the function, or refuses.
    template <class Function>
    auto in_turn(Function&& function) -> tl::expected<decltype(function()), Refusal>;

    std::string compute(const std::string& password) const;

    const HashOptions options_;
    std::counting_semaphore<> turns_;
    const std::string nobody_;
    std::atomic<std::uint64_t> computed_ = 0, refused_ = 0;
};

}  // namespace domain::account

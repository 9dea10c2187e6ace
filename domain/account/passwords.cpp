#include "domain/account/passwords.hpp"

#include <sodium.h>

#include <array>
#include <cerrno>
#include <memory>
#include <new>
#include <stdexcept>

#include "faults.hpp"

namespace domain::account {

Passwords::Passwords(const HashOptions& options)
    : options_(options),
      turns_(static_cast<std::ptrdiff_t>(options.at_once)),
      nobody_(compute("the password of nobody")) {}

std::string Passwords::compute(const std::string& password) const {
    if (sodium_init() < 0) throw std::runtime_error("libsodium does not start");
    std::array<char, crypto_pwhash_STRBYTES> hash{};
    errno = 0;
    if (crypto_pwhash_str_alg(hash.data(), password.data(), password.size(), options_.passes,
                              options_.memory_kib * 1024, crypto_pwhash_ALG_ARGON2ID13) != 0) {
        if (errno == EINVAL) throw std::invalid_argument("argon2id does not take these parameters");
        throw std::bad_alloc();
    }
    return hash.data();
}

template <class Function>
auto Passwords::in_turn(Function&& function) -> tl::expected<decltype(function()), Refusal> {
    if (!turns_.try_acquire_for(options_.wait) && !faults::mutant("unbounded_hashing")) {
        ++refused_;
        return tl::unexpected(Refusal{Refusal::Reason::busy,
                                      "too many passwords are being checked; try again",
                                      {},
                                      std::chrono::seconds{1}});
    }
    const auto turn = [](std::counting_semaphore<>* turns) { turns->release(); };
    const std::unique_ptr<std::counting_semaphore<>, decltype(turn)> held{&turns_, turn};
    ++computed_;
    return function();
}

tl::expected<std::string, Refusal> Passwords::hash(const std::string& password) {
    return in_turn([&] { return compute(password); });
}

tl::expected<bool, Refusal> Passwords::verify(const std::optional<std::string>& hash,
                                              const std::string& password) {
    return in_turn([&] {
        const auto& against = hash ? *hash : nobody_;
        const bool right =
            crypto_pwhash_str_verify(against.c_str(), password.data(), password.size()) == 0;
        return right && hash.has_value();
    });
}

bool Passwords::is_outdated(const std::string& hash) const {
    if (faults::mutant("no_rehash")) return false;
    return crypto_pwhash_str_needs_rehash(hash.c_str(), options_.passes,
                                          options_.memory_kib * 1024) != 0;
}

}  // namespace domain::account

#include "http/secret.hpp"

#include <openssl/crypto.h>
#include <openssl/sha.h>

#include <array>

namespace http {
namespace {

using Hash = std::array<unsigned char, SHA256_DIGEST_LENGTH>;

Hash hash_of(std::string_view text) {
    Hash hash;
    SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(), hash.data());
    return hash;
}

}  // namespace

bool is_same_secret(std::string_view given, std::string_view wanted) {
    const auto left = hash_of(given);
    const auto right = hash_of(wanted);
    return CRYPTO_memcmp(left.data(), right.data(), left.size()) == 0;
}

}  // namespace http

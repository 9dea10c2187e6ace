// Which of a Redis cluster's 16384 slots holds a key: CRC16 (XMODEM) of the key, or of its hash
// tag, what stands between the first "{" and the next "}" if that is not empty.
// Source: Redis cluster specification, "Key distribution model" and "Hash tags".
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace domain::cache {

constexpr std::uint16_t slot_count = 16384;

constexpr std::uint16_t crc16(std::string_view bytes) {
    std::uint16_t crc = 0;
    for (const char byte : bytes) {
        crc = static_cast<std::uint16_t>(crc ^ (static_cast<unsigned char>(byte) << 8));
        for (int bit = 0; bit < 8; ++bit) {
            const bool carry = (crc & 0x8000) != 0;
            crc = static_cast<std::uint16_t>(crc << 1);
            if (carry) crc ^= 0x1021;
        }
    }
    return crc;
}

// Empty when the key has none.
constexpr std::string_view hash_tag(std::string_view key) {
    const auto open = key.find('{');
    if (open == std::string_view::npos) return {};
    const auto close = key.find('}', open + 1);
    return close == std::string_view::npos ? std::string_view{}
                                           : key.substr(open + 1, close - open - 1);
}

constexpr std::uint16_t slot_of(std::string_view key) {
    const auto tag = hash_tag(key);
    return crc16(tag.empty() ? key : tag) % slot_count;
}

// mutex:KEY, tagged so that one script reaches both in a cluster. A "}" in a key must end a tag.
inline std::string mutex_of(std::string_view key) {
    return hash_tag(key).empty() ? "mutex:{" + std::string{key} + "}" : "mutex:" + std::string{key};
}

}  // namespace domain::cache

#include "outbox/event.hpp"

#include <chrono>
#include <cstdint>
#include <random>
#include <stdexcept>

namespace outbox {
namespace {

std::mt19937_64 seeded() {
    std::random_device device;
    std::seed_seq seed{device(), device(), device(), device()};
    return std::mt19937_64{seed};
}

int digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

}  // namespace

EventId EventId::make() {
    thread_local std::mt19937_64 random = seeded();
    const auto since_epoch = std::chrono::system_clock::now().time_since_epoch();
    const auto ms = std::chrono::floor<std::chrono::milliseconds>(since_epoch);
    const auto rest = std::chrono::duration_cast<std::chrono::nanoseconds>(since_epoch - ms);
    const auto fraction = static_cast<std::uint64_t>(rest.count()) * 4096U / 1'000'000U;
    const std::uint64_t high = (static_cast<std::uint64_t>(ms.count()) << 16U) | 0x7000U | fraction;
    const std::uint64_t low = (random() >> 2U) | (std::uint64_t{1} << 63U);
    EventId id;
    for (std::size_t i = 0; i < 8; ++i) {
        const auto shift = 56U - 8U * static_cast<unsigned>(i);
        id.bytes_[i] = static_cast<unsigned char>(high >> shift);
        id.bytes_[i + 8] = static_cast<unsigned char>(low >> shift);
    }
    return id;
}

EventId EventId::parse(std::string_view text) {
    EventId id;
    std::size_t digits = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const bool hyphen =
            text[i] == '-' && text.size() == 36 && (i == 8 || i == 13 || i == 18 || i == 23);
        if (hyphen) continue;
        const int value = digit(text[i]);
        if (value < 0 || digits == 32)
            throw std::invalid_argument{"not a UUID: '" + std::string{text} + "'"};
        auto& byte = id.bytes_[digits / 2];
        byte = static_cast<unsigned char>(byte << 4U | static_cast<unsigned>(value));
        ++digits;
    }
    if (digits != 32) throw std::invalid_argument{"not a UUID: '" + std::string{text} + "'"};
    return id;
}

std::string EventId::to_string() const {
    static constexpr std::string_view digits = "0123456789abcdef";
    std::string text;
    text.reserve(36);
    for (std::size_t i = 0; i < bytes_.size(); ++i) {
        if (i == 4 || i == 6 || i == 8 || i == 10) text += '-';
        text += digits[bytes_[i] >> 4U];
        text += digits[bytes_[i] & 15U];
    }
    return text;
}

}  // namespace outbox

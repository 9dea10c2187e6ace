#include "domain/account/account.hpp"

#include <algorithm>
#include <array>
#include <format>

namespace domain::account {
namespace {

// As people count them: code points of UTF-8.
std::size_t characters(std::string_view text) {
    return static_cast<std::size_t>(std::ranges::count_if(
        text, [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

bool is_control(char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte < 0x20 || byte == 0x7F;
}

tl::expected<void, Refusal> invalid(const char* field, std::string detail) {
    return tl::unexpected(Refusal{Refusal::Reason::invalid, std::move(detail), field});
}

struct Text {
    const char* field;
    const std::string& value;
    std::size_t most;
};

tl::expected<void, Refusal> check(const Text& text) {
    const auto length = characters(text.value);
    if (length < 1 || length > text.most)
        return invalid(text.field, std::format("must have 1 to {} characters", text.most));
    if (std::ranges::any_of(text.value, is_control))
        return invalid(text.field, "must have no control characters");
    return {};
}

// What mail can be sent to: one @, something before it, a domain with a dot after it. Whether
// anybody reads it, only a mail can tell.
bool is_email(std::string_view text) {
    const auto at = text.find('@');
    if (at == std::string_view::npos || at == 0 || at > 64 || text.size() > 254) return false;
    const auto domain = text.substr(at + 1);
    const auto label_edge = [](char c) { return c == '.' || c == '-'; };
    return !domain.contains('@') && domain.contains('.') && !domain.contains("..") &&
           !label_edge(domain.front()) && !label_edge(domain.back()) &&
           std::ranges::none_of(text, [](char c) {
               return is_control(c) || std::string_view{" ,;:<>()[]\\\""}.contains(c);
           });
}

}  // namespace

tl::expected<void, Refusal> check(const Personal& personal) {
    for (const auto& text : {Text{"first_name", personal.first_name, 100},
                             Text{"last_name", personal.last_name, 100}}) {
        if (auto checked = check(text); !checked) return checked;
    }
    if (!is_email(personal.email)) return invalid("email", "must be an e-mail address");
    return {};
}

tl::expected<void, Refusal> check(const Delivery& delivery) {
    for (const auto& text : {Text{"address", delivery.address, 500},
                             Text{"phone_number", delivery.phone_number, 32}}) {
        if (auto checked = check(text); !checked) return checked;
    }
    return {};
}

tl::expected<void, Refusal> check(const Registration& registration) {
    if (auto checked = check(registration.personal); !checked) return checked;
    if (auto checked = check(registration.delivery); !checked) return checked;
    const auto length = characters(registration.password);
    if (length < 8 || length > 128) return invalid("password", "must have 8 to 128 characters");
    return {};
}

std::string key_of(std::string_view email) {
    std::string key{email};
    for (char& c : key) {
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c | 0x20);
    }
    return key;
}

}  // namespace domain::account

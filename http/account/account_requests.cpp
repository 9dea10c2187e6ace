#include "http/account/account_requests.hpp"

#include "http/json_body.hpp"

namespace http::account {
namespace {

struct Text {
    const char* name;
    std::string& into;
};

// Fills the texts from the members; the problem names the first that is not there.
tl::expected<void, Problem> fill(const std::string& text, std::initializer_list<Text> members) {
    const auto body = json_object(text);
    if (!body) return tl::unexpected(body.error());
    for (const auto& [name, into] : members) {
        auto member = string_member(*body, name);
        if (!member) return tl::unexpected(std::move(member.error()));
        into = std::move(*member);
    }
    return {};
}

}  // namespace

tl::expected<domain::account::Registration, Problem> read_registration(const std::string& body) {
    domain::account::Registration read;
    auto& [personal, delivery, password] = read;
    return fill(body, {{"email", personal.email},
                       {"password", password},
                       {"first_name", personal.first_name},
                       {"last_name", personal.last_name},
                       {"address", delivery.address},
                       {"phone_number", delivery.phone_number}})
        .map([&] { return read; });
}

tl::expected<Credentials, Problem> read_credentials(const std::string& body) {
    Credentials read;
    return fill(body, {{"email", read.email}, {"password", read.password}}).map([&] {
        return read;
    });
}

tl::expected<std::string, Problem> read_refresh_token(const std::string& body) {
    std::string read;
    return fill(body, {{"refresh_token", read}}).map([&] { return read; });
}

tl::expected<domain::account::Personal, Problem> read_personal(const std::string& body) {
    domain::account::Personal read;
    return fill(body, {{"first_name", read.first_name},
                       {"last_name", read.last_name},
                       {"email", read.email}})
        .map([&] { return read; });
}

tl::expected<domain::account::Delivery, Problem> read_delivery(const std::string& body) {
    domain::account::Delivery read;
    return fill(body, {{"address", read.address}, {"phone_number", read.phone_number}}).map([&] {
        return read;
    });
}

}  // namespace http::account

#include "domain/token.hpp"

#include <sodium.h>

#include <array>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <stdexcept>

#include "faults.hpp"

namespace domain::token {
namespace {

constexpr std::string_view issuer = "postroom-shop";
constexpr std::string_view audience = "postroom-shop";
constexpr std::size_t longest_token = 2048;
// How far the clock of another machine may be ahead of ours.
constexpr std::int64_t leeway_s = 60;
constexpr auto variant = sodium_base64_VARIANT_URLSAFE_NO_PADDING;

std::string encode(std::string_view bytes) {
    std::string text(sodium_base64_encoded_len(bytes.size(), variant), '\0');
    sodium_bin2base64(text.data(), text.size(),
                      reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(), variant);
    text.pop_back();  // its terminating zero
    return text;
}

// Strict: no padding, no other alphabet, no bits left over.
std::optional<std::string> decode(std::string_view text) {
    std::string bytes(text.size(), '\0');
    std::size_t size = 0;
    if (sodium_base642bin(reinterpret_cast<unsigned char*>(bytes.data()), bytes.size(), text.data(),
                          text.size(), nullptr, &size, nullptr, variant) != 0) {
        return std::nullopt;
    }
    bytes.resize(size);
    return bytes;
}

const std::string& header(Kind kind) {
    static const auto access = encode(R"({"alg":"HS256","typ":"at+jwt"})");
    static const auto refresh = encode(R"({"alg":"HS256","typ":"rt+jwt"})");
    return kind == Kind::access ? access : refresh;
}

// An object without a name that comes twice: readers differ on which one counts.
std::optional<nlohmann::json> parse(const std::string& text) {
    std::set<std::string> names;
    bool repeated = false;
    const auto note = [&](int, nlohmann::json::parse_event_t event, const nlohmann::json& parsed) {
        if (event == nlohmann::json::parse_event_t::key)
            repeated = !names.insert(parsed.get<std::string>()).second || repeated;
        return true;
    };
    auto parsed = nlohmann::json::parse(text, note, /*allow_exceptions=*/false);
    if (faults::mutant("claims_twice")) repeated = false;
    if (repeated || parsed.is_discarded() || !parsed.is_object()) return std::nullopt;
    return parsed;
}

std::optional<std::int64_t> whole_number(const nlohmann::json& claims, const char* name) {
    const auto found = claims.find(name);
    if (found == claims.end() || !found->is_number_unsigned()) return std::nullopt;
    const auto value = found->get<std::uint64_t>();
    if (value > INT64_MAX / 2) return std::nullopt;  // sums of two fit
    return static_cast<std::int64_t>(value);
}

bool has(const nlohmann::json& claims, const char* name, const nlohmann::json& value) {
    const auto found = claims.find(name);
    return found != claims.end() && *found == value;
}

tl::expected<Claims, Flaw> read(Kind kind, const nlohmann::json& claims, std::int64_t now) {
    const auto customer = whole_number(claims, "CustomerID");
    const auto session = whole_number(claims, "sid");
    const auto expires = whole_number(claims, "exp");
    const auto issued = whole_number(claims, "iat");
    const auto not_before = claims.contains("nbf") ? whole_number(claims, "nbf") : 0;
    const auto id = claims.find("jti");
    const bool complete = customer && *customer > 0 && session && expires && issued && not_before &&
                          id != claims.end() && id->is_string() &&
                          has(claims, "Refresh", kind == Kind::refresh) &&
                          has(claims, "iss", issuer) &&
                          (has(claims, "aud", audience) || faults::mutant("any_audience"));
    if (!complete || *issued > now + leeway_s || *not_before > now + leeway_s)
        return tl::unexpected(Flaw::invalid);
    if (*expires <= now) return tl::unexpected(Flaw::expired);
    const auto role = claims.find("role");  // who has none is a customer
    auto known = std::optional{Role::customer};
    if (role != claims.end())
        known = role->is_string() ? parse_role(role->get_ref<const std::string&>()) : std::nullopt;
    if (!known) return tl::unexpected(Flaw::invalid);
    return Claims{.customer = CustomerId{*customer},
                  .session = *session,
                  .id = id->get<std::string>(),
                  .role = *known,
                  .expires = std::chrono::sys_seconds{std::chrono::seconds{*expires}}};
}

std::int64_t seconds(std::chrono::system_clock::time_point time) {
    return std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count();
}

}  // namespace

std::string_view to_string(Role role) { return role == Role::merchant ? "merchant" : "customer"; }

std::optional<Role> parse_role(std::string_view text) {
    for (const auto role : {Role::customer, Role::merchant}) {
        if (text == to_string(role)) return role;
    }
    return std::nullopt;
}

std::string make_id() {
    std::array<char, 16> bytes{};
    randombytes_buf(bytes.data(), bytes.size());
    return encode({bytes.data(), bytes.size()});
}

Tokens::Tokens(Options options, Clock now) : options_(std::move(options)), now_(std::move(now)) {
    if (sodium_init() < 0) throw std::runtime_error("libsodium does not start");
    if (options_.secret.size() < least_secret) {
        throw std::invalid_argument("the secret that signs tokens needs at least 32 bytes");
    }
}

std::chrono::seconds Tokens::lifetime(Kind kind) const {
    return kind == Kind::access ? options_.access : options_.refresh;
}

std::string Tokens::signature(std::string_view text) const {
    crypto_auth_hmacsha256_state state;
    const auto bytes = [](std::string_view of) {
        return reinterpret_cast<const unsigned char*>(of.data());
    };
    std::array<unsigned char, crypto_auth_hmacsha256_BYTES> mac{};
    crypto_auth_hmacsha256_init(&state, bytes(options_.secret), options_.secret.size());
    crypto_auth_hmacsha256_update(&state, bytes(text), text.size());
    crypto_auth_hmacsha256_final(&state, mac.data());
    sodium_memzero(&state, sizeof state);
    return {mac.begin(), mac.end()};
}

std::string Tokens::issue(Kind kind, const Claims& claims) const {
    const auto now = seconds(now_());
    nlohmann::json body{{"CustomerID", claims.customer.value},
                        {"Refresh", kind == Kind::refresh},
                        {"aud", audience},
                        {"exp", now + lifetime(kind).count()},
                        {"iat", now},
                        {"iss", issuer},
                        {"jti", claims.id},
                        {"sid", claims.session}};
    if (kind == Kind::access) body["role"] = to_string(claims.role);
    const auto text = header(kind) + "." + encode(body.dump());
    return text + "." + encode(signature(text));
}

tl::expected<Claims, Flaw> Tokens::verify(Kind kind, std::string_view token) const {
    const auto refused = tl::unexpected(Flaw::invalid);
    const auto first = token.find('.');
    const auto last = token.rfind('.');
    if (token.size() > longest_token || first == last) return refused;
    if (faults::mutant("refresh_as_access") && token.substr(0, first) == header(Kind::refresh))
        kind = Kind::refresh;
    if (token.substr(0, first) != header(kind) && !faults::mutant("any_header")) return refused;
    const auto given = decode(token.substr(last + 1));
    const auto right = signature(token.substr(0, last));
    if (!given || given->size() != right.size() ||
        sodium_memcmp(given->data(), right.data(), right.size()) != 0) {
        return refused;
    }
    const auto text = decode(token.substr(first + 1, last - first - 1));
    const auto claims = text ? parse(*text) : std::nullopt;
    if (!claims) return refused;
    return read(kind, *claims, seconds(now_()));
}

}  // namespace domain::token

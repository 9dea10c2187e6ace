#include "http/payment/stripe_webhook.hpp"

#include <openssl/crypto.h>
#include <openssl/hmac.h>

#include <algorithm>
#include <charconv>
#include <format>
#include <ranges>

#include "domain/payment/payment_service.hpp"
#include "domain/transact.hpp"
#include "faults.hpp"
#include "http/json_body.hpp"
#include "http/payment/payment_commands.hpp"

namespace http::payment {

namespace domain_payment = domain::payment;

namespace {

constexpr std::chrono::seconds tolerance{300};
constexpr auto header = "Stripe-Signature";

std::string hmac_hex(const std::string& secret, const std::string& text) {
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
    unsigned size = 0;
    HMAC(EVP_sha256(), secret.data(), static_cast<int>(secret.size()),
         reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest.data(), &size);
    std::string hex;
    for (unsigned i = 0; i < size; ++i) hex += std::format("{:02x}", digest[i]);
    return hex;
}

bool equal(std::string_view left, std::string_view right) {
    return left.size() == right.size() &&
           CRYPTO_memcmp(left.data(), right.data(), left.size()) == 0;
}

std::int64_t seconds(SystemTime time) {
    return std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count();
}

// Which purchase an object of Stripe's is of; 0 when it is none of ours.
std::int64_t purchase_of(const nlohmann::json& object) {
    const auto text = object.value(nlohmann::json::json_pointer{"/metadata/purchase_id"}, "");
    std::int64_t id = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), id);
    return error == std::errc{} && end == text.data() + text.size() ? id : 0;
}

// Events that say nothing final are passed over.
void apply(pqxx::work& tx, const std::string& type, const nlohmann::json& object) {
    const domain::PaymentId id{purchase_of(object)};
    if (type == "payment_intent.succeeded") {
        domain_payment::settle(tx, id, domain_payment::Taken{object.value("id", "")});
    } else if (type == "payment_intent.payment_failed" || type == "payment_intent.canceled") {
        const nlohmann::json::json_pointer message{"/last_payment_error/message"};
        const auto told = object.contains(message) ? object.value(message, "") : "";
        domain_payment::settle(tx, id, domain_payment::Declined{told.empty() ? type : told});
    } else if (type == "charge.refunded" && object.value("refunded", false)) {
        domain_payment::settle_refund(tx, id);
    }
}

Outcome receive(domain::Pool& pool, ServiceCache& cache, const std::string& secret,
                const Request& request) {
    const auto now = std::chrono::system_clock::now();
    if (const auto verified = verify(request.header(header), request.body, secret, now);
        !verified && !faults::mutant("any_signature"))
        return tl::unexpected(verified.error());
    const auto event = json_object(request.body);
    if (!event) return tl::unexpected(event.error());
    const auto type = string_member(*event, "type");
    if (!type) return tl::unexpected(type.error());
    const auto data = object_member(*event, "data");
    if (!data) return tl::unexpected(data.error());
    const auto object = object_member(**data, "object", "data.");
    if (!object) return tl::unexpected(object.error());
    const auto settle = [&](pqxx::work& tx) {
        apply(tx, *type, **object);
        return true;
    };
    try {
        cache.values().changing({payment_key(domain::PaymentId{purchase_of(**object)})}, [&] {
            return domain::transact(pool, settle, {.repeatable = true});
        });
    } catch (const nlohmann::json::type_error&) {
        return tl::unexpected(invalid("data.object", "has a member of another type than Stripe's"));
    }
    return Response{.body = R"({"received":true})"};
}

}  // namespace

std::string sign(const std::string& body, const std::string& secret, SystemTime now) {
    const auto time = seconds(now);
    return std::format("t={},v1={}", time, hmac_hex(secret, std::format("{}.{}", time, body)));
}

tl::expected<void, Problem> verify(std::string_view signature, const std::string& body,
                                   const std::string& secret, SystemTime now) {
    std::int64_t time = 0;
    std::vector<std::string_view> candidates;
    for (const auto part : std::views::split(signature, ',')) {
        const std::string_view element{part.begin(), part.end()};
        if (element.starts_with("t="))
            std::from_chars(element.data() + 2, element.data() + element.size(), time);
        if (element.starts_with("v1=")) candidates.push_back(element.substr(3));
    }
    const auto wanted = hmac_hex(secret, std::format("{}.{}", time, body));
    // A second one comes while the secret is being changed.
    const auto matches =
        std::ranges::any_of(candidates, [&](auto given) { return equal(given, wanted); });
    if (!matches) return tl::unexpected(Problem{400, "does not match the body", header});
    if (std::abs(seconds(now) - time) > tolerance.count())
        return tl::unexpected(Problem{400, "is older than 5 minutes, or from the future", header});
    return {};
}

void add_webhook(Dispatcher& dispatcher, domain::Pool& pool, ServiceCache& cache,
                 std::string secret) {
    dispatcher.on("POST", "/api/v1/payments/webhook",
                  [&pool, &cache, secret = std::move(secret)](const Request& request) {
                      return receive(pool, cache, secret, request);
                  });
}

}  // namespace http::payment

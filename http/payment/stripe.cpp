#include "http/payment/stripe.hpp"

#include <httplib.h>

#include <algorithm>
#include <format>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "faults.hpp"

namespace http::payment {

using domain::payment::Declined;
using domain::payment::Payment;
using domain::payment::Taken;
using domain::payment::Verdict;

namespace {

std::string lower(std::string_view code) {
    std::string text{code};
    std::ranges::transform(text, text.begin(), [](char c) { return static_cast<char>(c | 0x20); });
    return text;
}

std::string key(const Payment& payment, const char* step) {
    return std::format("purchase-{}-{}", payment.id.value, step);
}

}  // namespace

struct Stripe::Answer {
    int status;
    nlohmann::json body;

    bool ok() const { return status == 200; }
    std::string text(const char* field) const { return body.value(field, ""); }
    std::string error(const char* field) const {
        const auto found = body.find("error");
        if (found == body.end() || !found->is_object() || !found->contains(field)) return {};
        return (*found)[field].is_string() ? (*found)[field].get<std::string>() : "";
    }
    // A card that is refused, or an amount that Stripe never takes: no repeat changes that.
    bool declined() const { return status == 402 || (status == 400 && error("param") == "amount"); }
};

Stripe::Answer Stripe::post(const std::string& path, const std::string& key, const Fields& fields) {
    httplib::Client client{options_.url};
    client.set_connection_timeout(options_.timeout);
    client.set_read_timeout(options_.timeout);
    client.set_write_timeout(options_.timeout);
    httplib::Headers headers{{"Authorization", "Bearer " + options_.key}};
    if (!faults::mutant("no_idempotency_key")) headers.emplace("Idempotency-Key", key);
    const auto result = client.Post(path, headers, httplib::Params{fields});
    if (!result) throw std::runtime_error(path + ": " + httplib::to_string(result.error()));
    Answer answer{result->status, nlohmann::json::parse(result->body, nullptr, false)};
    if (!answer.body.is_object() || !(answer.ok() || answer.declined())) {
        auto told = answer.body.is_object() ? answer.error("message") : "not JSON";
        // Stripe repeats a key that it does not know, and this goes to the log.
        for (auto at = told.find(options_.key); at != told.npos; at = told.find(options_.key, at))
            told.replace(at, options_.key.size(), "…");
        throw std::runtime_error(std::format("{}: {} {}", path, answer.status, told));
    }
    return answer;
}

Verdict Stripe::take(const Payment& payment) {
    const auto number = std::to_string(payment.id.value);
    const auto created = post("/v1/payment_intents", key(payment, "create"),
                              {{"amount", std::to_string(payment.amount.minor)},
                               {"currency", lower(payment.amount.currency.code())},
                               {"payment_method_types[]", "card"},
                               {"capture_method", "manual"},
                               {"metadata[purchase_id]", number},
                               {"metadata[customer_id]", std::to_string(payment.customer.value)}});
    if (!created.ok()) return Declined{created.error("message")};
    const auto id = created.text("id");
    const auto path = "/v1/payment_intents/" + id;
    const auto confirmed = post(path + "/confirm", key(payment, "confirm"),
                                {{"payment_method", options_.payment_method}});
    const auto status = confirmed.text("status");
    if (!confirmed.ok() || status == "requires_action" || status == "requires_payment_method") {
        // Nobody can confirm it later, when the saga has gone on without it.
        post(path + "/cancel", key(payment, "cancel"), {});
        return Declined{confirmed.ok() ? "the payment method was not accepted: " + status
                                       : confirmed.error("message")};
    }
    const auto captured = post(path + "/capture", key(payment, "capture"), {});
    if (captured.text("status") != "succeeded")
        throw std::runtime_error(path + ": captured, but " + captured.text("status"));
    return Taken{id};
}

void Stripe::refund(const Payment& payment) {
    const auto refunded =
        post("/v1/refunds", key(payment, "refund"), {{"payment_intent", payment.reference}});
    const auto status = refunded.text("status");
    if (status != "succeeded" && status != "pending")
        throw std::runtime_error("/v1/refunds: " + status + refunded.error("message"));
}

}  // namespace http::payment

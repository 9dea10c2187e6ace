#include "http/purchase/purchase_request.hpp"

#include <format>

#include "domain/trace.hpp"
#include "http/json_body.hpp"

namespace http::purchase {
namespace {

using domain::purchase::max_items;
using domain::purchase::max_quantity;
using WantedProducts = std::map<domain::ProductId, domain::purchase::Wanted>;

tl::expected<WantedProducts, Problem> read_items(const nlohmann::json& items) {
    if (items.empty() || items.size() > max_items) {
        return tl::unexpected(
            invalid("order_items", std::format("must have 1 to {} items", max_items)));
    }
    WantedProducts wanted;
    for (std::size_t i = 0; i < items.size(); ++i) {
        const auto field = std::format("order_items[{}]", i);
        if (!items[i].is_object()) return tl::unexpected(invalid(field, "must be an object"));
        const auto product = whole_number(items[i], "product_id", field + ".", {1, INT64_MAX});
        if (!product) return tl::unexpected(product.error());
        const auto quantity = whole_number(items[i], "quantity", field + ".", {1, max_quantity});
        if (!quantity) return tl::unexpected(quantity.error());
        auto& sum = wanted.try_emplace(domain::ProductId{*product}, 0, i).first->second.quantity;
        sum += *quantity;
        if (sum > max_quantity) {
            return tl::unexpected(
                invalid(field + ".quantity",
                        std::format("makes more than {} of product {}", max_quantity, *product)));
        }
    }
    return wanted;
}

tl::expected<domain::Currency, Problem> read_currency(const nlohmann::json& body) {
    const auto payment = object_member(body, "payment");
    if (!payment) return tl::unexpected(payment.error());
    const auto code = string_member(**payment, "currency_code", "payment.");
    if (!code) return tl::unexpected(code.error());
    const auto currency = domain::Currency::parse(*code);
    if (!currency) {
        return tl::unexpected(invalid("payment.currency_code",
                                      "must be three capital letters (ISO 4217), such as EUR"));
    }
    return *currency;
}

}  // namespace

tl::expected<domain::purchase::PlacePurchase, Problem> read_purchase(
    const std::string& text, std::string_view idempotency_key, domain::CustomerId customer) {
    if (!idempotency_key.empty() && !domain::is_token(idempotency_key)) {
        return tl::unexpected(
            invalid("Idempotency-Key", "must have 1 to 128 visible ASCII characters"));
    }
    const auto body = json_object(text);
    if (!body) return tl::unexpected(body.error());
    const auto items = array_member(*body, "order_items");
    if (!items) return tl::unexpected(items.error());
    auto wanted = read_items(**items);
    if (!wanted) return tl::unexpected(wanted.error());
    const auto currency = read_currency(*body);
    if (!currency) return tl::unexpected(currency.error());
    return domain::purchase::PlacePurchase{customer, std::move(*wanted), *currency,
                                           std::string{idempotency_key}};
}

}  // namespace http::purchase

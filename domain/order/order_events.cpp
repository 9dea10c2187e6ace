#include "domain/order/order_events.hpp"

#include "domain/event_json.hpp"

namespace domain::order {
namespace {
constexpr int version = 1;
}

std::string order_placed(const Order& order) {
    auto items = nlohmann::json::array();
    for (const auto& line : order.lines) {
        items.push_back({{"product_id", line.product.value},
                         {"quantity", line.quantity},
                         {"price", line.price}});
    }
    return nlohmann::json{{"version", version},
                          {"order_id", order.id.value},
                          {"customer_id", order.customer.value},
                          {"currency_code", order.amount.currency.code()},
                          {"amount", order.amount.minor},
                          {"items", std::move(items)}}
        .dump();
}

tl::expected<PaymentTaken, std::string> read_payment_taken(std::string_view json) {
    return read_event(json, version, [](const nlohmann::json& event) {
        return PaymentTaken{OrderId{whole_number(event, "order_id")}};
    });
}

tl::expected<PaymentDeclined, std::string> read_payment_declined(std::string_view json) {
    return read_event(json, version, [](const nlohmann::json& event) {
        return PaymentDeclined{OrderId{whole_number(event, "order_id")},
                               event.at("reason").get<std::string>()};
    });
}

}  // namespace domain::order

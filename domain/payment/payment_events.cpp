#include "domain/payment/payment_events.hpp"

#include "domain/event_json.hpp"

namespace domain::payment {
namespace {
constexpr int version = 1;

// The event names the order as order_field; who pays how much stands in these objects.
tl::expected<Demand, std::string> read_demand(const nlohmann::json& event, const char* order_field,
                                              const nlohmann::json& order,
                                              const nlohmann::json& money) {
    const auto currency = Currency::parse(money.at("currency_code").get_ref<const std::string&>());
    if (!currency) return tl::unexpected(std::string{"currency_code is not three capital letters"});
    return Demand{OrderId{whole_number(event, order_field)},
                  CustomerId{whole_number(order, "customer_id")},
                  {whole_number(money, "amount"), *currency}};
}

}  // namespace

tl::expected<Demand, std::string> read_order_placed(std::string_view json) {
    const auto read = [](const nlohmann::json& event) {
        return read_demand(event, "order_id", event, event);
    };
    return read_event(json, version, read).and_then([](auto demand) { return demand; });
}

tl::expected<Demand, std::string> read_create_payment(std::string_view json) {
    const auto read = [](const nlohmann::json& event) {
        const auto& purchase = event.at("purchase");
        return read_demand(event, "purchase_id", purchase.at("order"), purchase.at("payment"));
    };
    return read_event(json, version, read).and_then([](auto demand) { return demand; });
}

std::string_view event_type(const Payment& payment) {
    return payment.status == Status::taken ? "PaymentTaken" : "PaymentDeclined";
}

std::string event_json(const Payment& payment) {
    nlohmann::json event{{"version", version},
                         {"payment_id", payment.id.value},
                         {"order_id", payment.order.value},
                         {"customer_id", payment.customer.value},
                         {"currency_code", payment.amount.currency.code()},
                         {"amount", payment.amount.minor}};
    if (payment.status == Status::declined) event["reason"] = payment.decline_reason;
    return event.dump();
}

}  // namespace domain::payment

#include "domain/payment/payment_events.hpp"

#include "domain/event_json.hpp"

namespace domain::payment {
namespace {
constexpr int version = 1;
}

tl::expected<Demand, std::string> read_create_payment(std::string_view json) {
    const auto read = [](const nlohmann::json& event) -> tl::expected<Demand, std::string> {
        const auto& order = event.at("purchase").at("order");
        const auto& money = event.at("purchase").at("payment");
        const auto currency =
            Currency::parse(money.at("currency_code").get_ref<const std::string&>());
        if (!currency)
            return tl::unexpected(std::string{"currency_code is not three capital letters"});
        return Demand{PaymentId{whole_number(event, "purchase_id")},
                      CustomerId{whole_number(order, "customer_id")},
                      {whole_number(money, "amount"), *currency}};
    };
    return read_event(json, version, read).and_then([](auto demand) { return demand; });
}

}  // namespace domain::payment

#include "domain/order/order_events.hpp"

#include "domain/event_json.hpp"

namespace domain::order {
namespace {
constexpr int version = 1;

std::int64_t number_or_zero(const nlohmann::json& object, const char* field) {
    return object.contains(field) ? whole_number(object, field) : 0;
}

Product read_item(const nlohmann::json& item) {
    return {{ProductId{whole_number(item, "product_id")}, whole_number(item, "quantity"),
             number_or_zero(item, "price")},
            number_or_zero(item, "category_id"),
            item.value("name", ""),
            item.value("brand_name", ""),
            item.value("description", "")};
}

}  // namespace

tl::expected<CreateOrder, std::string> read_create_order(std::string_view json) {
    const auto read = [](const nlohmann::json& event) -> tl::expected<CreateOrder, std::string> {
        const auto& order = event.at("purchase").at("order");
        const auto& payment = event.at("purchase").at("payment");
        const auto currency =
            Currency::parse(payment.at("currency_code").get_ref<const std::string&>());
        if (!currency)
            return tl::unexpected(std::string{"currency_code is not three capital letters"});
        CreateOrder command{OrderId{whole_number(event, "purchase_id")},
                            CustomerId{whole_number(order, "customer_id")},
                            {whole_number(payment, "amount"), *currency},
                            {}};
        for (const auto& item : order.at("order_items"))
            command.products.push_back(read_item(item));
        return command;
    };
    return read_event(json, version, read).and_then([](auto command) { return command; });
}

tl::expected<PurchaseResult, std::string> read_purchase_result(std::string_view json) {
    return read_event(json, version, [](const nlohmann::json& event) {
        const auto& success = event.at("success");
        return PurchaseResult{
            OrderId{whole_number(event, "purchase_id")},
            success.is_null() ? std::nullopt : std::optional{success.get<bool>()}};
    });
}

}  // namespace domain::order

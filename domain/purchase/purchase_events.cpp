#include "domain/purchase/purchase_events.hpp"

#include <format>
#include <sstream>

#include "domain/event_json.hpp"

namespace domain::purchase {
namespace {

constexpr int version = 1;

template <class Enum>
tl::expected<Enum, std::string> numbered(const nlohmann::json& event, const char* field,
                                         Enum last) {
    const auto number = whole_number(event, field);
    if (number < 0 || number > static_cast<int>(last))
        return tl::unexpected(std::format("{} {} is not known here", field, number));
    return static_cast<Enum>(number);
}

tl::expected<Time, std::string> read_time(const std::string& text) {
    std::istringstream stream{text};
    Time time;
    if (!(stream >> std::chrono::parse("%FT%TZ", time)) || stream.peek() != EOF)
        return tl::unexpected("timestamp " + text + " is no time of RFC 3339 in UTC");
    return time;
}

tl::expected<Change, std::string> read_change(const nlohmann::json& event) {
    const auto status = numbered(event, "status", Status::rollback_failed);
    if (!status) return tl::unexpected(status.error());
    const auto step = numbered(event, "step", Step::create_payment);
    if (!step) return tl::unexpected(step.error());
    const auto at = read_time(event.at("timestamp").get_ref<const std::string&>());
    if (!at) return tl::unexpected(at.error());
    Change change{PurchaseId{whole_number(event, "purchase_id")}, {*status, *step}, *at};
    const auto& success = event.at("success");
    if (!success.is_null()) change.state.success = success.get_ref<const bool&>();
    return change;
}

}  // namespace

std::string to_text(Time time) { return std::format("{:%FT%T}Z", time); }

std::string create_purchase(const Purchase& purchase, Time now) {
    auto items = nlohmann::json::array();
    for (const auto& item : purchase.items) {
        items.push_back({{"product_id", item.product.value},
                         {"quantity", item.quantity},
                         {"price", item.price},
                         {"category_id", item.category},
                         {"name", item.name},
                         {"brand_name", item.brand_name},
                         {"description", item.description}});
    }
    return nlohmann::json{
        {"version", version},
        {"timestamp", to_text(now)},
        {"purchase_id", purchase.id.value},
        {"purchase",
         {{"order", {{"customer_id", purchase.customer.value}, {"order_items", std::move(items)}}},
          {"payment",
           {{"currency_code", purchase.amount.currency.code()},
            {"amount", purchase.amount.minor}}}}}}
        .dump();
}

tl::expected<Change, std::string> read_purchase_result(std::string_view json) {
    return read_event(json, version, read_change).and_then([](auto change) { return change; });
}

}  // namespace domain::purchase

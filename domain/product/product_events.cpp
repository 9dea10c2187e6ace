#include "domain/product/product_events.hpp"

#include "domain/event_json.hpp"

namespace domain::product {
namespace {

constexpr int version = 1;
using Array = nlohmann::json::array_t;

}  // namespace

std::string product_changed(const Product& product, Time now) {
    return nlohmann::json{{"version", version},
                          {"timestamp", rfc3339(now)},
                          {"product_id", product.id.value},
                          {"category_id", product.category.value},
                          {"name", product.name},
                          {"brand_name", product.brand_name},
                          {"description", product.description},
                          {"price", product.price},
                          {"inventory", product.inventory}}
        .dump();
}

tl::expected<std::vector<Line>, std::string> read_update_inventory(std::string_view json) {
    return read_event(json, version, [](const nlohmann::json& event) {
        const auto& order = event.at("purchase").at("order");
        std::vector<Line> lines;
        for (const auto& item : order.at("order_items").get_ref<const Array&>()) {
            lines.push_back(
                {ProductId{whole_number(item, "product_id")}, whole_number(item, "quantity")});
        }
        return lines;
    });
}

}  // namespace domain::product

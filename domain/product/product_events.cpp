#include "domain/product/product_events.hpp"

#include "domain/event_json.hpp"

namespace domain::product {
namespace {

constexpr int version = 1;
using Array = nlohmann::json::array_t;

PurchaseId purchase_id(const nlohmann::json& event) {
    const auto id = whole_number(event, "purchase_id");
    if (id < 1) {
        throw nlohmann::json::out_of_range::create(401, "purchase_id must be positive", &event);
    }
    return PurchaseId{id};
}

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

tl::expected<UpdateInventory, std::string> read_update_inventory(std::string_view json) {
    return read_event(json, version, [](const nlohmann::json& event) {
        const auto& purchase = event.at("purchase");
        UpdateInventory command{purchase_id(event), purchase.dump(), {}};
        for (const auto& item : purchase.at("order").at("order_items").get_ref<const Array&>()) {
            command.lines.push_back(
                {ProductId{whole_number(item, "product_id")}, whole_number(item, "quantity")});
        }
        return command;
    });
}

tl::expected<RollbackInventory, std::string> read_rollback_inventory(std::string_view json) {
    return read_event(json, version, [](const nlohmann::json& event) {
        return RollbackInventory{purchase_id(event),
                                 event.value("purchase", nlohmann::json{}).dump()};
    });
}

std::string reply_json(const Reply& reply, Time now) {
    return nlohmann::json{{"version", version},
                          {"timestamp", rfc3339(now)},
                          {"purchase_id", reply.id.value},
                          {"purchase", nlohmann::json::parse(reply.purchase)},
                          {"success", reply.error_message.empty()},
                          {"error_message", reply.error_message}}
        .dump();
}

}  // namespace domain::product

#include "domain/saga/saga_events.hpp"

#include <algorithm>
#include <array>
#include <format>
#include <utility>

#include "domain/event_json.hpp"

namespace domain::saga {
namespace {

constexpr int version = 1;

struct Name {
    Command command;
    std::string_view type, topic;
};
constexpr std::array names{
    Name{{Step::update_product_inventory, false},
         "UpdateProductInventory",
         "update-product-inventory"},
    Name{{Step::update_product_inventory, true},
         "RollbackProductInventory",
         "rollback-product-inventory"},
    Name{{Step::create_order, false}, "CreateOrder", "create-order"},
    Name{{Step::create_order, true}, "RollbackOrder", "rollback-order"},
    Name{{Step::create_payment, false}, "CreatePayment", "create-payment"},
    Name{{Step::create_payment, true}, "RollbackPayment", "rollback-payment"},
};

const Name& name_of(Command command) { return *std::ranges::find(names, command, &Name::command); }

}  // namespace

tl::expected<CreatePurchase, std::string> read_create_purchase(std::string_view json) {
    const auto read = [](const nlohmann::json& event) -> tl::expected<CreatePurchase, std::string> {
        const auto id = whole_number(event, "purchase_id");
        if (id < 1) return tl::unexpected("purchase_id is below 1");
        const auto& purchase = event.at("purchase");
        const auto& items = purchase.at("order").at("order_items");
        // Without items nothing could be delivered or taken back.
        if (!items.is_array() || items.empty()) return tl::unexpected("order_items is empty");
        if (!purchase.at("payment").is_object()) return tl::unexpected("payment is no object");
        whole_number(purchase.at("order"), "customer_id");
        return CreatePurchase{PurchaseId{id}, purchase.dump()};
    };
    return read_event(json, version, read).and_then([](auto created) { return created; });
}

tl::expected<Answer, std::string> read_reply(std::string_view json, std::string_view handler) {
    const auto* const name = std::ranges::find(names, handler, &Name::type);
    if (name == names.end())
        return tl::unexpected(std::format("its header handler is '{}', no command's", handler));
    return read_event(json, version, [&](const nlohmann::json& event) {
        const auto error = event.find("error_message");
        return Answer{
            PurchaseId{whole_number(event, "purchase_id")},
            {name->command.step, name->command.compensation, event.at("success").get<bool>()},
            error != event.end() && error->is_string() ? error->get<std::string>() : ""};
    });
}

std::string_view event_type(Command command) { return name_of(command).type; }
std::string_view aggregate_type(Command command) { return name_of(command).topic; }

std::string command_json(PurchaseId id, std::string_view purchase, Time now) {
    return std::format(R"({{"version":{},"purchase_id":{},"purchase":{},"timestamp":"{}"}})",
                       version, id.value, purchase, rfc3339(now));
}

std::string result_json(PurchaseId id, const Result& result, Time now) {
    nlohmann::json event{{"version", version},
                         {"purchase_id", id.value},
                         {"success", nullptr},
                         {"status", std::to_underlying(result.status)},
                         {"step", std::to_underlying(result.step)},
                         {"timestamp", rfc3339(now)}};
    if (result.success) event["success"] = *result.success;
    return event.dump();
}

}  // namespace domain::saga

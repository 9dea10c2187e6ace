#include "domain/participant.hpp"

#include "domain/event_json.hpp"

namespace domain {
namespace {
constexpr int version = 1;
}

tl::expected<Command, std::string> read_command(std::string type, std::string_view json,
                                                std::map<std::string, std::string> headers) {
    return read_event(json, version, [&](const nlohmann::json& event) {
        const auto id = whole_number(event, "purchase_id");
        if (id < 1) {
            throw nlohmann::json::out_of_range::create(401, "purchase_id must be positive", &event);
        }
        return Command{PurchaseId{id}, std::move(type),
                       event.value("purchase", nlohmann::json{}).dump(), std::move(headers)};
    });
}

outbox::Event reply(const Command& command, const tl::expected<void, Refusal>& outcome,
                    std::chrono::system_clock::time_point now) {
    auto headers = command.headers;
    headers["handler"] = command.type;
    const nlohmann::json content{{"version", version},
                                 {"timestamp", rfc3339(now)},
                                 {"purchase_id", command.id.value},
                                 {"purchase", nlohmann::json::parse(command.purchase)},
                                 {"success", outcome.has_value()},
                                 {"error_message", outcome ? "" : outcome.error().detail}};
    return {.aggregate_type = "reply",
            .aggregate_id = std::to_string(command.id.value),
            .type = "Reply",
            .content = outbox::Json{content.dump()},
            .headers = std::move(headers)};
}

}  // namespace domain

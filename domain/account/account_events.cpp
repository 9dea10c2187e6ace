#include "domain/account/account_events.hpp"

#include <chrono>
#include <format>

#include "domain/event_json.hpp"

namespace domain::account {
namespace {

constexpr int version = 1;

nlohmann::json event(CustomerId customer) {
    const auto now =
        std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now());
    return {{"version", version},
            {"timestamp", std::format("{:%FT%T}Z", now)},
            {"customer_id", customer.value}};
}

}  // namespace

std::string account_registered(CustomerId customer) { return event(customer).dump(); }

std::string account_changed(CustomerId customer, std::string_view part) {
    auto changed = event(customer);
    changed["changed"] = part;
    return changed.dump();
}

}  // namespace domain::account

#include "integration/shop_process.hpp"

#include <nlohmann/json.hpp>
#include <sstream>

#include "support/environment.hpp"
#include "support/wait.hpp"

namespace support {
namespace {

std::vector<std::string> command(const std::vector<std::string>& services) {
    std::vector<std::string> argv{bin("shop"), "serve"};
    argv.insert(argv.end(), services.begin(), services.end());
    return argv;
}

std::map<std::string, std::string> with(const ShopDatabases& databases,
                                        std::map<std::string, std::string> environment) {
    environment.insert({{"SHOP_ORDER_DSN", databases.order.dsn("shop_order")},
                        {"SHOP_PAYMENT_DSN", databases.payment.dsn("shop_payment")},
                        {"SHOP_ORDER_HTTP", "127.0.0.1:0"},
                        {"SHOP_PAYMENT_HTTP", "127.0.0.1:0"},
                        {"SHOP_KAFKA_BROKERS", kafka()},
                        {"SHOP_KAFKA_TOPIC", databases.topic_prefix + "{aggregatetype}"},
                        {"SHOP_CONSUMER_GROUP_PREFIX", databases.topic_prefix}});
    return environment;
}

}  // namespace

ShopProcess::ShopProcess(const ShopDatabases& databases, const std::vector<std::string>& services,
                         const std::map<std::string, std::string>& environment)
    : ShopProcess(services, with(databases, environment)) {}

ShopProcess::ShopProcess(const std::vector<std::string>& services,
                         const std::map<std::string, std::string>& environment)
    : process_({.argv = command(services), .env = environment}) {
    eventually(std::chrono::seconds{20}, "the shop to listen", [&] {
        std::istringstream lines{process_.output()};
        for (std::string line; std::getline(lines, line);) {
            const auto entry = nlohmann::json::parse(line, nullptr, false);
            if (!entry.is_object()) continue;
            const auto message = entry.value("message", "");
            if (message == "listening") addresses_[entry["service"]] = entry["address"];
            if (message == "speaking gRPC") grpc_[entry["service"]] = entry["address"];
        }
        if (!process_.running()) throw std::runtime_error("the shop ended: " + process_.output());
        return addresses_.size() == services.size();
    });
}

}  // namespace support

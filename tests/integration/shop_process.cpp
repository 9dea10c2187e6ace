#include "integration/shop_process.hpp"

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <format>
#include <fstream>
#include <future>
#include <nlohmann/json.hpp>
#include <sstream>

#include "support/kafka.hpp"
#include "support/loopback.hpp"
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
    environment.insert(databases.environment().begin(), databases.environment().end());
    return environment;
}

constexpr auto secret = "canary-secret-of-more-than-32-bytes";

}  // namespace

std::string upper(std::string text) {
    std::ranges::transform(text, text.begin(),
                           [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
    return text;
}

const std::vector<std::string>& all_services() {
    static const std::vector<std::string> all{"account", "product",  "order",
                                              "payment", "purchase", "orchestrator"};
    return all;
}

const std::vector<std::string>& all_topics() {
    static const std::vector<std::string> all{"account",
                                              "product",
                                              "purchase",
                                              "update-product-inventory",
                                              "rollback-product-inventory",
                                              "create-order",
                                              "rollback-order",
                                              "create-payment",
                                              "rollback-payment",
                                              "reply",
                                              "purchase-result"};
    return all;
}

TokenFile::TokenFile() : path_{std::filesystem::temp_directory_path() / unique_name("token")} {
    std::ofstream{path_} << token << "\r\nno token\n";
}

TokenFile::~TokenFile() { std::filesystem::remove(path_); }

ShopDatabases::ShopDatabases(const std::vector<std::string>& services)
    : environment_{{"SHOP_KAFKA_BROKERS", kafka()},
                   {"SHOP_KAFKA_TOPIC", topic_prefix + "{aggregatetype}"},
                   {"SHOP_CONSUMER_GROUP_PREFIX", topic_prefix},
                   {"SHOP_JWT_SECRET", secret},
                   {"SHOP_GRPC_TOKEN_FILE", token_.path()},
                   {"SHOP_ACCOUNT_GRPC", std::format("127.0.0.1:{}", free_port())},
                   {"SHOP_PRODUCT_GRPC", std::format("127.0.0.1:{}", free_port())}} {
    for (const auto& service : services) {
        const auto& database =
            databases_.try_emplace(service, std::vector<std::string>{"outbox", service})
                .first->second;
        environment_["SHOP_" + upper(service) + "_DSN"] = database.dsn("shop_" + service);
        environment_["SHOP_" + upper(service) + "_HTTP"] = "127.0.0.1:0";
    }
}

const ShopDatabases& ShopDatabases::with_topics() const {
    std::vector<std::future<void>> making;
    for (const auto& topic : all_topics()) {
        making.push_back(
            std::async(std::launch::async, [&] { create_topic(topic_prefix + topic, 1); }));
    }
    for (auto& one : making) one.get();
    return *this;
}

std::string token_of(std::int64_t customer, domain::token::Role role) {
    return domain::token::Tokens{{.secret = secret}}.issue(
        domain::token::Kind::access, {.customer = domain::CustomerId{customer},
                                      .session = 1,
                                      .id = domain::token::make_id(),
                                      .role = role});
}

ShopProcess::ShopProcess(const ShopDatabases& databases, const std::vector<std::string>& services,
                         std::map<std::string, std::string> environment)
    : ShopProcess(services, with(databases, std::move(environment))) {}

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

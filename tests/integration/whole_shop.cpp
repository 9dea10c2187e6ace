#include "integration/whole_shop.hpp"

#include <filesystem>
#include <format>
#include <fstream>

#include "support/kafka.hpp"
#include "support/wait.hpp"

namespace integration {

RelayFile::RelayFile(const support::ShopDatabases& databases)
    : path_{std::filesystem::temp_directory_path() / (support::unique_name("relay") + ".toml")} {
    std::ofstream file{path_};
    file << std::format(
        "[kafka]\nbrokers = '{}'\ntopic = '{}{{aggregatetype}}'\n[admin]\nlisten = '127.0.0.1:0'\n",
        support::kafka(), databases.topic_prefix);
    for (const auto& service : support::all_services())
        file << std::format("[[databases]]\nname = '{}'\ndsn = \"{}\"\n", service,
                            databases.of(service).dsn("postroom_relay"));
}

RelayFile::~RelayFile() { std::filesystem::remove(path_); }

WholeShop::WholeShop(const std::map<std::string, std::string>& environment)
    : shop_{databases_.with_topics(), support::all_services(), environment} {}

support::Answer WholeShop::say(const std::string& service, const std::string& method,
                               const std::string& path, const std::string& body,
                               Headers headers) const {
    if (!body.empty()) headers.emplace("Content-Type", "application/json");
    if (!token_.empty()) headers.emplace("Authorization", "Bearer " + token_);
    return support::request(shop_.address(service), method, path, body, headers);
}

WholeShop::json WholeShop::ask(int status, const std::string& service, const std::string& method,
                               const std::string& path, const std::string& body,
                               const Headers& headers) const {
    const auto answer = say(service, method, path, body, headers);
    EXPECT_EQ(answer.status, status) << method << ' ' << path << ": " << answer.body;
    auto told = json::parse(answer.body, nullptr, false);
    EXPECT_TRUE(told.is_object()) << method << ' ' << path << ": " << answer.body;
    return told;
}

WholeShop::json WholeShop::await_end(std::int64_t purchase) const {
    json state;
    support::eventually(std::chrono::seconds{60}, "the purchase to end", [&] {
        state = ask(200, "purchase", "GET", std::format("/api/v1/purchases/{}", purchase));
        return !state["success"].is_null();
    });
    return state;
}

}  // namespace integration

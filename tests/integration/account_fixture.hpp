// `shop serve account` on a database of its own, and what a client says to it.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <pqxx/pqxx>
#include <string>

#include "domain/token.hpp"
#include "integration/raw_http.hpp"
#include "integration/shop_process.hpp"
#include "support/database.hpp"

namespace support {

class AccountTest : public testing::Test {
protected:
    using json = nlohmann::json;  // NOLINT(readability-identifier-naming): the library's own

    static constexpr auto secret = "canary-secret-of-more-than-32-bytes";
    static constexpr auto password = "canary-password";

    using Environment = std::map<std::string, std::string>;

    Environment with(Environment environment) const {
        environment.insert({{"SHOP_ACCOUNT_DSN", database.dsn("shop_account")},
                            {"SHOP_ACCOUNT_HTTP", "127.0.0.1:0"},
                            {"SHOP_ACCOUNT_GRPC", "127.0.0.1:0"},
                            {"SHOP_JWT_SECRET", secret},
                            {"SHOP_GRPC_WITHOUT_TOKEN", "true"},
                            {"SHOP_PASSWORD_PASSES", "1"},
                            {"SHOP_PASSWORD_MEMORY_KIB", "1024"},
                            {"SHOP_PASSWORD_HASHES", "16"}});
        return environment;
    }

    // Starts it anew, with this in the environment besides.
    void start(const Environment& environment = {}) {
        shop.reset();
        shop.emplace(std::vector<std::string>{"account"}, with(environment));
    }

    void SetUp() override { start(); }

    static std::map<std::string, std::string> bearer(const std::string& token) {
        return {{"Authorization", "Bearer " + token}};
    }
    Answer send(const std::string& method, const std::string& path, const std::string& body = {},
                std::map<std::string, std::string> headers = {}) {
        if (method != "GET") headers.emplace("Content-Type", "application/json");
        return request(shop->address("account"), method, "/api/v1/account/" + path, body, headers);
    }
    Answer post(const std::string& path, const json& body) {
        return send("POST", "auth/" + path, body.dump());
    }
    Answer login(const std::string& email, const std::string& word = password) {
        return post("login", {{"email", email}, {"password", word}});
    }
    Answer refresh(const std::string& token) { return post("refresh", {{"refresh_token", token}}); }
    Answer personal(const std::string& token) {
        return send("GET", "customer/personal", {}, bearer(token));
    }

    static json ada() {
        return {{"email", "ada@example.com"},
                {"password", password},
                {"first_name", "Ada"},
                {"last_name", "Lovelace"},
                {"address", "12 St James's Square"},
                {"phone_number", "+44 20 1"}};
    }
    struct Pair {
        std::string access, refresh;
    };
    static Pair pair_of(const Answer& answer) {
        const auto body = json::parse(answer.body);
        return {body.at("access_token"), body.at("refresh_token")};
    }
    Pair enroll(const json& who) {
        const auto answer = post("register", who);
        EXPECT_EQ(answer.status, 201) << answer.body;
        return pair_of(answer);
    }

    int ask(const std::string& query) { return super().query_value<int>(query); }
    std::string text(const std::string& query) { return super().query_value<std::string>(query); }
    pqxx::nontransaction super() { return pqxx::nontransaction{connection}; }

    // The problem, without what differs between any two requests.
    static json problem(const Answer& answer) {
        auto body = json::parse(answer.body);
        body.erase("request_id");
        return body;
    }

    Database database{{"outbox", "account"}};
    pqxx::connection connection{database.dsn()};
    std::optional<ShopProcess> shop;
};

}  // namespace support

// A client of the platform that the shop replaces, word for word as its instructions have it: it
// registers, and sells what it buys.
#pragma once

#include <cstdint>
#include <format>
#include <string>

#include "integration/whole_shop.hpp"

namespace integration {

class OlderClient : public WholeShop {
protected:
    // Profile A lets its one customer fill the catalogue.
    OlderClient() : WholeShop{{{"SHOP_OPEN_CATALOGUE", "true"}}} {}

    void sign_up() {
        const auto* enrolment = R"({
    "email": "deptrai123@gmail.com",
    "password": "deptrai123",
    "first_name": "dep",
    "last_name": "trai",
    "address": "123 street",
    "phone_number": "0123456788"
})";
        const auto first = ask(201, "account", "POST", "/api/v1/account/auth/register", enrolment);
        EXPECT_TRUE(first["access_token"].is_string() && first["refresh_token"].is_string());
        ask(409, "account", "POST", "/api/v1/account/auth/register", enrolment);
        ask(400, "account", "POST", "/api/v1/account/auth/register", R"({"email": "no"})");
        const auto pair = ask(200, "account", "POST", "/api/v1/account/auth/login", R"({
    "email": "deptrai123@gmail.com",
    "password": "deptrai123"
})");
        ask(401, "account", "POST", "/api/v1/account/auth/login",
            R"({"email": "deptrai123@gmail.com", "password": "deptrai124"})");
        const auto next = ask(200, "account", "POST", "/api/v1/account/auth/refresh",
                              json{{"refresh_token", pair["refresh_token"]}}.dump());
        ask(401, "account", "POST", "/api/v1/account/auth/refresh",
            json{{"refresh_token", next["access_token"]}}.dump());
        token_ = next["access_token"];
    }

    // What is made is found where the answer says, and is what was sent, and its number.
    std::int64_t make(const std::string& path, const std::string& body) {
        const auto answer = say("product", "POST", path, body);
        EXPECT_EQ(answer.status, 201) << answer.body;
        const std::int64_t id = json::parse(answer.body)["id"];
        EXPECT_EQ(answer.headers.at("Location"), std::format("{}/{}", path, id));
        auto made = json::parse(body);
        made["id"] = id;
        EXPECT_EQ(ask(200, "product", "GET", answer.headers.at("Location")), made);
        return id;
    }

    void stock_up() {
        category_ = make("/api/v1/categories", R"({
    "name" : "whey",
    "description": "whey protein"
})");
        isolate_ = make("/api/v1/products", std::format(R"({{
    "category_id": {},
    "name": "Whey Protein Isolate",
    "description": "100% Whey Protein Isolate",
    "brand_name": "OstroVit",
    "price": 1390,
    "inventory": 1000
}})",
                                                        category_));
        professional_ = make("/api/v1/products", std::format(R"({{
    "category_id": {},
    "name": "Whey Protein Professional",
    "description": "100% Whey Protein Professional",
    "brand_name": "Scitec Nutrition",
    "price": 3780,
    "inventory": 1000
}})",
                                                             category_));
        ask(404, "product", "GET", "/api/v1/products/1234567");
        ask(400, "product", "GET", "/api/v1/products/whey");
    }

    std::string purchase_body(int first, int second) const {
        return std::format(R"({{
    "order_items": [
        {{
            "product_id": {},
            "quantity": {}
        }},
        {{
            "product_id": {},
            "quantity": {}
        }}
    ],
    "payment": {{
        "currency_code": "VND"
    }}
}})",
                           isolate_, first, professional_, second);
    }

    std::int64_t inventory(std::int64_t product) {
        return ask(200, "product", "GET", std::format("/api/v1/products/{}", product))["inventory"];
    }

    std::int64_t category_ = 0, isolate_ = 0, professional_ = 0;
};

}  // namespace integration

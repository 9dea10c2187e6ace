// Products over real HTTP, on a real database.

#include <format>
#include <nlohmann/json.hpp>

#include "http/product/product_routes.hpp"
#include "http/server.hpp"
#include "integration/product_fixture.hpp"
#include "integration/raw_http.hpp"
#include "integration/shop_process.hpp"

namespace {

using nlohmann::json;
using support::Answer;
using support::request;
using Headers = std::map<std::string, std::string>;

constexpr auto traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

class ProductHttpTest : public integration::ProductTest {
protected:
    ProductHttpTest() { http::product::add_routes(dispatcher, products_, cache_, authenticate); }

    Answer send(const std::string& method, const std::string& path, const json& body,
                Headers headers = {}) {
        headers.emplace("Authorization", "Bearer good");
        headers.emplace("Content-Type", "application/json");
        return request(server.address(), method, path, body.dump(), headers);
    }
    Answer get(const std::string& path) { return request(server.address(), "GET", path); }

    static std::int64_t id_of(const Answer& answer) { return json::parse(answer.body)["id"]; }
    static json catalogs(const Answer& answer) {
        EXPECT_EQ(answer.status, 200) << answer.body;
        return json::parse(answer.body)["catalogs"];
    }

    const json blotter{{"category_id", 1},
                       {"name", "Blotter"},
                       {"brand_name", "Quillworks"},
                       {"description", "Ten sheets"},
                       {"price", 0},
                       {"inventory", 3}};
    http::Authenticate authenticate =
        [](const http::Request& from) -> tl::expected<domain::CustomerId, http::Problem> {
        if (from.header("Authorization") == "Bearer good") return domain::CustomerId{7};
        return tl::unexpected(http::Problem{401, "send a token"});
    };
    http::Metrics metrics{"product"};
    http::Log log{"off"};
    http::Dispatcher dispatcher{"product", metrics, log};
    http::Server server{{.listen = "127.0.0.1:0"}, dispatcher};
};

TEST_F(ProductHttpTest, MakesACategoryAndAProductAndShowsThem) {
    const auto category =
        send("POST", "/api/v1/categories", {{"name", "Drying"}, {"description", "Of ink"}});
    ASSERT_EQ(category.status, 201) << category.body;
    const auto category_id = id_of(category);
    EXPECT_EQ(category.headers.at("Location"), std::format("/api/v1/categories/{}", category_id));
    const json kept{{"id", category_id}, {"name", "Drying"}, {"description", "Of ink"}};
    EXPECT_EQ(json::parse(get(category.headers.at("Location")).body), kept);
    EXPECT_EQ(json::parse(get("/api/v1/categories").body)["categories"].back(), kept);

    auto product = blotter;
    product["category_id"] = category_id;
    const auto created = send("POST", "/api/v1/products/", product);
    ASSERT_EQ(created.status, 201) << created.body;
    EXPECT_EQ(json::parse(created.body)["message"], "success");
    EXPECT_EQ(created.headers.at("Location"), std::format("/api/v1/products/{}", id_of(created)));
    product["id"] = id_of(created);
    EXPECT_EQ(json::parse(get(created.headers.at("Location") + "/").body), product);
}

TEST_F(ProductHttpTest, TellsOfEveryChangeInTheTransactionThatMakesIt) {
    const auto id = id_of(send("POST", "/api/v1/products", blotter,
                               {{"traceparent", traceparent}, {"correlation-id", "stocktaking"}}));
    const auto path = std::format("/api/v1/products/{}", id);
    const auto updated = send("PUT", path, {{"name", "Blotting paper"}, {"price", 250}});
    EXPECT_EQ(updated.status, 200);
    EXPECT_EQ(json::parse(updated.body), json::parse(R"({"message":"success"})"));
    const auto shown = json::parse(get(path).body);
    EXPECT_EQ(shown["name"], "Blotting paper");
    EXPECT_EQ(shown["price"], 250);
    EXPECT_EQ(shown["brand_name"], "Quillworks");

    EXPECT_EQ(ask<int>("select count(*) from outbox.event"), 2);
    pqxx::nontransaction tx{super_};
    const auto [type, key, payload, headers] =
        tx.query1<std::string, std::string, std::string, std::string>(
            "select aggregatetype || type, aggregateid, payload, headers"
            " from outbox.event order by seq limit 1");
    EXPECT_EQ(type, "productProductChanged");
    EXPECT_EQ(key, std::to_string(id));
    EXPECT_EQ(json::parse(payload)["product_id"], id);
    EXPECT_EQ(json::parse(payload)["price"], 0);
    EXPECT_EQ(json::parse(headers)["correlation-id"], "stocktaking");
    EXPECT_EQ(json::parse(tx.query_value<std::string>(
                  "select payload from outbox.event order by seq desc limit 1"))["name"],
              "Blotting paper");
}

TEST_F(ProductHttpTest, LetsNobodyChangeAnythingWithoutAToken) {
    const Headers stranger{{"Authorization", "x"}};
    EXPECT_EQ(send("POST", "/api/v1/products", blotter, stranger).status, 401);
    EXPECT_EQ(send("PUT", "/api/v1/products/1", {{"price", 1}}, stranger).status, 401);
    EXPECT_EQ(
        send("POST", "/api/v1/categories", {{"name", "a"}, {"description", "b"}}, stranger).status,
        401);
    EXPECT_EQ(ask<int>("select count(*) from outbox.event"), 0);
    EXPECT_EQ(ask<int>("select count(*) from categories"), 3);
}

TEST_F(ProductHttpTest, NamesWhatIsWrongAndLeavesNothingBehind) {
    auto product = blotter;
    product["price"] = -1;
    const auto negative = send("POST", "/api/v1/products", product);
    EXPECT_EQ(negative.status, 400);
    EXPECT_EQ(json::parse(negative.body)["field"], "price");
    product = blotter;
    product["category_id"] = 99;
    const auto unknown = send("POST", "/api/v1/products", product);
    EXPECT_EQ(unknown.status, 404);
    EXPECT_EQ(json::parse(unknown.body)["field"], "category_id");
    EXPECT_EQ(send("PUT", "/api/v1/products/99", {{"price", 1}}).status, 404);
    EXPECT_EQ(send("PUT", "/api/v1/products/1", json::object()).status, 400);
    EXPECT_EQ(get("/api/v1/products/x").status, 400);
    EXPECT_EQ(get("/api/v1/products/99").status, 404);
    EXPECT_EQ(get("/api/v1/categories/99").status, 404);
    EXPECT_EQ(get("/api/v1/products?size=501").status, 400);
    EXPECT_EQ(ask<int>("select count(*) from products"), 5);
    EXPECT_EQ(ask<int>("select count(*) from outbox.event"), 0);
}

TEST_F(ProductHttpTest, PagesThroughTheCatalogueByOffsetAndByKey) {
    stock(1, 12);
    const auto first = catalogs(get("/api/products?offset=0&size=2"));
    ASSERT_EQ(first.size(), 2U);
    EXPECT_EQ(first[0],
              json::parse(R"({"id":1,"name":"Fountain pen","inventory":12,"price":4900})"));
    EXPECT_EQ(catalogs(get("/api/v1/products?offset=4&size=500")).size(), 1U);
    std::vector<int> seen;
    for (int after = 0;;) {
        const auto page = catalogs(get(std::format("/api/v1/products?after={}&size=2", after)));
        if (page.empty()) break;
        for (const auto& entry : page) seen.push_back(entry["id"]);
        after = seen.back();
    }
    EXPECT_EQ(seen, (std::vector{1, 2, 3, 4, 5}));
}

TEST(ProductProcess, ServesItsCatalogueAsItsOwnRole) {
    const support::ShopDatabases databases{{"product"}};
    const support::ShopProcess shop{databases, {"product"}};
    const auto answer = request(shop.address("product"), "GET", "/api/products?size=3");
    EXPECT_EQ(answer.status, 200) << answer.body;
    EXPECT_EQ(json::parse(answer.body)["catalogs"].size(), 3U);
}

TEST(ProductProcess, LetsMerchantsAloneChangeProducts) {
    const support::ShopDatabases databases{{"product"}};
    const auto post = [](const support::ShopProcess& shop, const std::string& token) {
        return request(shop.address("product"), "POST", "/api/v1/categories",
                       R"({"name":"a","description":"b"})",
                       {{"Authorization", "Bearer " + token}, {"Content-Type", "application/json"}})
            .status;
    };
    const auto customer = support::token_of(7);
    const auto merchant = support::token_of(8, domain::token::Role::merchant);
    {
        const support::ShopProcess shop{databases, {"product"}};
        EXPECT_EQ(post(shop, customer), 403);
        EXPECT_EQ(post(shop, merchant), 201);
        EXPECT_EQ(post(shop, "x"), 401);
    }
    const support::ShopProcess open{databases, {"product"}, {{"SHOP_OPEN_CATALOGUE", "true"}}};
    EXPECT_EQ(post(open, customer), 201);
    EXPECT_EQ(post(open, "x"), 401);
}

}  // namespace

#include "http/product/product_request.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace http::product {
namespace {

using nlohmann::json;

const json ink{{"category_id", 1},      {"name", "Ink"}, {"brand_name", "Quillworks"},
               {"description", "Blue"}, {"price", 1250}, {"inventory", 10}};

json with(const char* field, const json& value) {
    auto body = ink;
    body[field] = value;
    return body;
}

TEST(ProductRequest, ReadsAProduct) {
    const auto product = read_product(ink.dump()).value();
    EXPECT_EQ(product, (domain::product::Product{domain::ProductId{0}, domain::CategoryId{1}, "Ink",
                                                 "Quillworks", "Blue", 1250, 10}));
}

TEST(ProductRequest, TakesFreeAndSoldOutProducts) {
    EXPECT_TRUE(read_product(with("price", 0).dump()).has_value());
    EXPECT_TRUE(read_product(with("inventory", 0).dump()).has_value());
    EXPECT_TRUE(read_product(with("name", std::string(200, 'x')).dump()).has_value());
}

TEST(ProductRequest, NamesTheFieldThatIsWrong) {
    const std::string bell{"ding\a"};
    const std::string nul{"a\0b", 3};
    for (const auto& [field, value] :
         std::vector<std::pair<const char*, json>>{{"price", -1},
                                                   {"price", 1.5},
                                                   {"price", "1"},
                                                   {"price", 1'000'000'000'001},
                                                   {"inventory", -1},
                                                   {"inventory", nullptr},
                                                   {"category_id", 0},
                                                   {"name", ""},
                                                   {"name", bell},
                                                   {"name", nul},
                                                   {"name", 7},
                                                   {"name", std::string(201, 'x')},
                                                   {"brand_name", std::string(201, 'x')},
                                                   {"description", std::string(4001, 'x')}}) {
        const auto read = read_product(with(field, value).dump());
        ASSERT_FALSE(read.has_value()) << field << value;
        EXPECT_EQ(read.error().status, 400);
        EXPECT_EQ(read.error().field, field);
    }
    for (const auto& [field, value] : ink.items()) {
        auto body = ink;
        body.erase(field);
        EXPECT_EQ(read_product(body.dump()).error().field, field);
    }
    EXPECT_EQ(read_product("[]").error().status, 400);
    EXPECT_EQ(read_category(R"({"name":"Writing"})").error().field, "description");
}

TEST(ProductRequest, ChangesWhatIsGiven) {
    const auto changes = read_changes(R"({"price":0,"inventory":99})").value();
    EXPECT_EQ(changes.price, 0);
    EXPECT_FALSE(changes.name || changes.brand_name || changes.description);
    EXPECT_EQ(read_changes(R"({"name":""})").error().field, "name");
    EXPECT_EQ(read_changes(R"({"price":null})").error().field, "price");
    EXPECT_EQ(read_changes(R"({"inventory":99})").error().status, 400);
}

TEST(ProductRequest, ReadsPages) {
    const auto page = [](std::map<std::string, std::string> query) {
        return read_page({"GET", "/", {}, "here", {}, {}, std::move(query)});
    };
    EXPECT_EQ(page({}).value().size, 50);
    EXPECT_EQ(page({{"after", "7"}, {"size", "500"}}).value().after, 7);
    EXPECT_EQ(page({{"offset", "7"}}).value().offset, 7);
    EXPECT_EQ(page({{"size", "501"}}).error().field, "size");
    EXPECT_EQ(page({{"size", "0"}}).error().field, "size");
    EXPECT_EQ(page({{"offset", "-1"}}).error().field, "offset");
    EXPECT_EQ(page({{"after", "x"}}).error().field, "after");
    EXPECT_EQ(page({{"after", "1"}, {"offset", "1"}}).error().field, "after");
}

}  // namespace
}  // namespace http::product

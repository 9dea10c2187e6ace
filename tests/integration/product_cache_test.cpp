// What product remembers, in real processes over a real Redis that comes and goes.

#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <atomic>
#include <format>
#include <latch>
#include <nlohmann/json.hpp>
#include <sstream>
#include <thread>

#include "domain/token.hpp"
#include "domain/transact.hpp"
#include "integration/product_fixture.hpp"
#include "integration/raw_http.hpp"
#include "integration/shop_process.hpp"
#include "outbox/event.hpp"
#include "product.grpc.pb.h"
#include "support/kafka.hpp"
#include "support/redis_server.hpp"
#include "support/wait.hpp"

namespace {

using namespace std::chrono_literals;
using nlohmann::json;
using support::Answer;
using support::ShopProcess;

class ProductCacheTest : public integration::ProductTest {
protected:
    using Environment = std::map<std::string, std::string>;

    std::unique_ptr<ShopProcess> start(Environment more = {}) {
        more.insert({{"SHOP_PRODUCT_DSN", database_.dsn("shop_product")},
                     {"SHOP_PRODUCT_HTTP", "127.0.0.1:0"},
                     {"SHOP_PRODUCT_GRPC", "127.0.0.1:0"},
                     {"SHOP_ACCOUNT_GRPC", "127.0.0.1:1"},  // nobody: tokens count by themselves
                     {"SHOP_JWT_SECRET", secret_},
                     {"SHOP_GRPC_WITHOUT_TOKEN", "true"},
                     {"SHOP_OPEN_CATALOGUE", "true"},
                     {"SHOP_KAFKA_BROKERS", support::kafka()},
                     {"SHOP_KAFKA_TOPIC", prefix_ + "{aggregatetype}"},
                     {"SHOP_CONSUMER_GROUP_PREFIX", prefix_},
                     {"REDIS_ADDRS", redis_.address()},
                     {"SHOP_REDIS_PASSWORD", support::redis_password},
                     {"SHOP_REDIS_PREFIX", "a-shop:"}});
        auto shop = std::make_unique<ShopProcess>(std::vector<std::string>{"product"}, more);
        // From then on it hears what others change.
        support::eventually(20s, "the channel to be heard", [&] {
            const auto told = redis_.cli({"PUBSUB", "NUMSUB", "a-shop:invalidate_cache:product"});
            return told.ends_with(std::to_string(started_ + 1));
        });
        ++started_;
        return shop;
    }

    static std::string path(std::int64_t id) { return std::format("/api/v1/products/{}", id); }
    static Answer get(const ShopProcess& shop, std::int64_t id) {
        return support::request(shop.address("product"), "GET", path(id));
    }
    static std::int64_t shown(const ShopProcess& shop, std::int64_t id, const char* field) {
        const auto answer = get(shop, id);
        EXPECT_EQ(answer.status, 200) << answer.body;
        return json::parse(answer.body).value(field, std::int64_t{-1});
    }
    Answer send(const ShopProcess& shop, const char* method, const std::string& to,
                const json& body) const {
        const domain::token::Tokens tokens{{.secret = secret_}};
        const auto token = tokens.issue(
            domain::token::Kind::access,
            {.customer = domain::CustomerId{7}, .session = 1, .id = domain::token::make_id()});
        return support::request(
            shop.address("product"), method, to, body.dump(),
            {{"Authorization", "Bearer " + token}, {"Content-Type", "application/json"}});
    }
    static int count(const ShopProcess& shop, const std::string& outcome) {
        std::istringstream lines{support::request(shop.address("product"), "GET", "/metrics").body};
        const auto series = "product_cache_total{outcome=\"" + outcome + "\"} ";
        for (std::string line; std::getline(lines, line);) {
            if (line.starts_with(series)) return std::stoi(line.substr(series.size()));
        }
        throw std::runtime_error("no metric of " + outcome);
    }

    std::string secret_ = std::string(32, 's');
    std::string prefix_ = support::unique_name("cache") + ".";
    support::RedisServer redis_;
    int started_ = 0;
};

TEST_F(ProductCacheTest, AsksMemoryThenRedisThenTheDatabase) {
    const auto one = start();
    const auto two = start({{"SHOP_CACHE_FILTER", "bloom"}});
    EXPECT_EQ(shown(*one, 1, "price"), 4900);
    EXPECT_EQ(count(*one, "load"), 2) << "its details and its inventory";
    tell("update products set price = 1, inventory = 1 where id = 1");  // behind their backs
    EXPECT_EQ(shown(*one, 1, "price"), 4900);
    EXPECT_EQ(count(*one, "local_hit"), 2);
    EXPECT_EQ(shown(*two, 1, "inventory"), 1'000'000);
    EXPECT_EQ(count(*two, "redis_hit"), 2);
    EXPECT_EQ(count(*one, "load") + count(*two, "load"), 2);
    EXPECT_EQ(redis_.cli({"EXISTS", "a-shop:get_product_detail:1"}), "1");
}

TEST_F(ProductCacheTest, AsksWhatWasAddedSinceWithoutReadingTheTable) {
    const auto plan = domain::transact(pool_, [&](pqxx::work& tx) {
        tx.exec("prepare added as " + http::ids_since("products"));
        const auto cursor =
            tx.query_value<std::string>("select pg_snapshot_xmin(pg_current_snapshot())::text");
        std::string lines;
        for (const auto& [line] : tx.query<std::string>(
                 "explain (analyze, costs off, timing off, summary off) execute added('" + cursor +
                 "')"))
            lines += line + "\n";
        return lines;
    });
    EXPECT_TRUE(plan.contains("Index Cond: (added_in >= $1)")) << plan;
    EXPECT_FALSE(plan.contains("Rows Removed")) << plan;
    EXPECT_TRUE(plan.contains("(never executed)")) << plan << "of the rows older than the column";
}

TEST_F(ProductCacheTest, ShowsAChangeInEveryProcess) {
    const auto one = start();
    const auto two = start();
    EXPECT_EQ(shown(*one, 1, "price"), 4900);
    EXPECT_EQ(shown(*two, 1, "price"), 4900);
    EXPECT_EQ(send(*one, "PUT", path(1), {{"price", 5000}}).status, 200);
    EXPECT_EQ(shown(*one, 1, "price"), 5000) << "stale where it was changed";
    EXPECT_TRUE(support::happens_within(2s, [&] { return shown(*two, 1, "price") == 5000; }))
        << "stale in another process";
}

TEST_F(ProductCacheTest, ShowsAChangeThoughWhoMadeItDiedBeforeItSaidSo) {
    const auto one = start();
    const auto two = start({{"POSTROOM_CRASH_AT", "before_invalidation"}});
    EXPECT_EQ(shown(*one, 1, "price"), 4900);
    EXPECT_EQ(send(*two, "PUT", path(1), {{"price", 5000}}).status, 0) << "it answered";
    support::eventually(10s, "the fault to fire", [&] { return !two->process().running(); });
    ASSERT_EQ(ask<int>("select price from products where id = 1"), 5000);
    EXPECT_TRUE(support::happens_within(2s, [&] { return shown(*one, 1, "price") == 5000; }))
        << "stale though a change was announced";
    started_ = 1;
    EXPECT_EQ(shown(*start(), 1, "price"), 5000) << "stale in Redis";
}

TEST_F(ProductCacheTest, LoadsAColdProductOnceForAHundredAtOnce) {
    const auto one = start();
    const auto two = start();
    std::latch ready{100};
    std::atomic<int> right{0};
    {
        std::vector<std::jthread> clients;
        clients.reserve(100);
        for (int i = 0; i < 100; ++i) {
            clients.emplace_back([&, i] {
                ready.arrive_and_wait();
                if (shown(i % 2 == 0 ? *one : *two, 2, "price") == 1250) ++right;
            });
        }
    }
    EXPECT_EQ(right, 100);
    EXPECT_EQ(count(*one, "load") + count(*two, "load"), 2) << "its details and its inventory";
}

TEST_F(ProductCacheTest, LooksUpNoIdThatNeverWasAndDeniesNoneThatIs) {
    const auto one = start();
    const auto two = start();
    for (int i = 0; i < 50; ++i) EXPECT_EQ(get(*one, 1'000'000 + i).status, 404);
    EXPECT_EQ(count(*one, "filter_rejection"), 50);
    EXPECT_EQ(count(*one, "load"), 0);
    const auto made = send(*two, "POST", "/api/v1/products",
                           {{"category_id", 1},
                            {"name", "Blotter"},
                            {"brand_name", "Quillworks"},
                            {"description", "Ten sheets"},
                            {"price", 0},
                            {"inventory", 3}});
    ASSERT_EQ(made.status, 201) << made.body;
    EXPECT_EQ(shown(*one, json::parse(made.body)["id"], "price"), 0) << "denied: it exists";
}

TEST_F(ProductCacheTest, AnswersWhileRedisIsKilledAndUsesItAgain) {
    const auto shop = start({{"SHOP_LOCAL_CACHE_ENTRIES", "0"}});
    std::atomic<int> answered{0}, failed{0};
    std::vector<std::jthread> clients;
    clients.reserve(4);
    for (int i = 0; i < 4; ++i) {
        clients.emplace_back([&, i](const std::stop_token& stop) {
            while (!stop.stop_requested()) ++(get(*shop, 1 + i).status == 200 ? answered : failed);
        });
    }
    const auto more = [&] {
        const auto before = answered.load();
        support::eventually(60s, "requests to be answered",
                            [&] { return answered >= before + 100; });
    };
    more();
    EXPECT_GT(count(*shop, "redis_hit"), 0);
    redis_.kill();
    more();
    EXPECT_GT(count(*shop, "redis_error"), 0) << "the fault did not fire";
    EXPECT_EQ(send(*shop, "PUT", path(5), {{"price", 5000}}).status, 200);
    redis_.start();
    const auto hits = count(*shop, "redis_hit");
    support::eventually(30s, "Redis to be used again",
                        [&] { return count(*shop, "redis_hit") > hits; });
    clients.clear();
    EXPECT_EQ(failed, 0);
    EXPECT_EQ(shown(*shop, 5, "price"), 5000);
}

class LastUnitCached : public ProductCacheTest {
protected:
    static constexpr auto type_ = "UpdateProductInventory";

    LastUnitCached() {
        support::create_topic(prefix_ + "update-product-inventory", 1);
        support::create_topic(prefix_ + "rollback-product-inventory", 1);
    }
    // Whether the purchase gets one piece of product 1.
    bool buys(int purchase) {
        const json bought{
            {"order",
             {{"customer_id", 7}, {"order_items", {{{"product_id", 1}, {"quantity", 1}}}}}},
            {"payment", {{"currency_code", "EUR"}, {"amount", 1}}}};
        support::produce(
            prefix_ + "update-product-inventory",
            {{.key = std::to_string(purchase),
              .value = json{{"version", 1},
                            {"timestamp", "2026-01-01T00:00:00.000Z"},
                            {"purchase_id", purchase},
                            {"purchase", bought}}
                           .dump(),
              .headers = {{"id", outbox::EventId::make().to_string()}, {"type", type_}}}});
        const auto reply =
            std::format("from outbox.event where type = 'Reply' and aggregateid = '{}'", purchase);
        support::eventually(60s, "the reply",
                            [&] { return ask<int>("select count(*) " + reply) == 1; });
        return ask<std::string>("select payload->>'success' " + reply) == "true";
    }
    static product::Status check(const ShopProcess& shop) {
        const auto stub = product::ProductService::NewStub(
            grpc::CreateChannel(shop.grpc("product"), grpc::InsecureChannelCredentials()));
        product::CheckProductsRequest wanted;
        auto& item = *wanted.add_items();
        item.set_product_id(1);
        item.set_quantity(1);
        grpc::ClientContext context;
        context.set_deadline(std::chrono::system_clock::now() + 20s);
        product::CheckProductsResponse checked;
        EXPECT_TRUE(stub->CheckProducts(&context, wanted, &checked).ok());
        return checked.statuses_size() == 1 ? checked.statuses(0).status()
                                            : product::INTERNAL_ERROR;
    }
};

TEST_F(LastUnitCached, IsSoldByTheDatabaseWhateverIsRemembered) {
    stock(1, 0);
    const auto shop = start();
    EXPECT_EQ(shown(*shop, 1, "inventory"), 0);
    EXPECT_EQ(check(*shop), product::NOT_ENOUGH);
    stock(1, 1);  // behind its back
    EXPECT_EQ(shown(*shop, 1, "inventory"), 0) << "nothing is remembered: the test tests nothing";
    EXPECT_EQ(check(*shop), product::OK) << "a cache decided on stock";
    EXPECT_TRUE(buys(1));
    stock(1, 1);
    support::eventually(5s, "the sale to be seen",
                        [&] { return shown(*shop, 1, "inventory") == 1; });
    EXPECT_TRUE(buys(2));
    EXPECT_FALSE(buys(3));
    EXPECT_TRUE(support::happens_within(2s, [&] { return shown(*shop, 1, "inventory") == 0; }))
        << "stale after a sale";
    EXPECT_EQ(left(1), 0);
}

TEST_F(LastUnitCached, IsForgottenThoughWhoSoldItDiedBeforeItSaidSo) {
    stock(1, 1);
    const auto seller = start({{"POSTROOM_CRASH_AT", "after_commit"}});
    EXPECT_EQ(shown(*seller, 1, "inventory"), 1);
    EXPECT_TRUE(buys(1));
    support::eventually(10s, "the seller to die", [&] { return !seller->process().running(); });
    ASSERT_EQ(redis_.cli({"EXISTS", "a-shop:get_product_inventory:1"}), "1")
        << "nothing is stale: the test tests nothing";
    started_ = 0;
    const auto heir = start();
    EXPECT_TRUE(support::happens_within(30s, [&] { return shown(*heir, 1, "inventory") == 0; }))
        << "stale after a crash";
}

}  // namespace

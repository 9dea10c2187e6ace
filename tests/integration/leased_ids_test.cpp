// Machine numbers of ids: no two makers that are alive share one.

#include "domain/leased_ids.hpp"

#include <gtest/gtest.h>

#include <format>
#include <nlohmann/json.hpp>
#include <set>

#include "integration/product_fixture.hpp"
#include "integration/raw_http.hpp"
#include "integration/shop_process.hpp"
#include "support/loopback.hpp"

namespace {

using domain::LeasedIds;
using std::chrono::minutes;

long machine_of(std::int64_t id) { return id & 0xffff; }

class LeasedIdsTest : public integration::ProductTest {
protected:
    // The next to start looks here first.
    void look_from(long number) {
        tell("select setval('machine', " + std::to_string(number) + ", false)");
    }
    std::chrono::nanoseconds elapsed_{0};
    LeasedIds::Elapsed clock_ = [this] { return elapsed_; };
};

TEST_F(LeasedIdsTest, PassOverNumbersThatOthersHold) {
    look_from(65535);
    LeasedIds first{pool_, clock_};
    look_from(65535);
    LeasedIds second{pool_, clock_};
    EXPECT_EQ(machine_of(first.next()), 65535);
    EXPECT_EQ(machine_of(second.next()), 0) << "two makers share a machine number";
}

TEST_F(LeasedIdsTest, TakeANumberWhoseLeaseIsOver) {
    LeasedIds gone{pool_, clock_};
    const auto number = machine_of(gone.next());
    tell("update machine_leases set leased_until = now() - interval '1 s'");
    look_from(number);
    LeasedIds next{pool_, clock_};
    EXPECT_EQ(machine_of(next.next()), number);

    // It is another's now: no renewal brings it back.
    elapsed_ += LeasedIds::lease / 2;
    EXPECT_NE(machine_of(gone.next()), number) << "an id with a number that is another's";
}

TEST_F(LeasedIdsTest, KeepTheirNumberWhileTheyAreInUse) {
    LeasedIds ids{pool_, clock_};
    auto last = ids.next();
    const auto number = machine_of(last);
    for (int i = 0; i < 10; ++i) {
        elapsed_ += LeasedIds::lease / 2;
        tell("update machine_leases set leased_until = now() + interval '1 s'");
        const auto id = ids.next();
        EXPECT_EQ(machine_of(id), number);
        EXPECT_GT(id, last);
        EXPECT_TRUE(
            ask<bool>("select leased_until > now() + interval '59 min' from machine_leases"))
            << "not renewed";
        last = id;
    }
}

TEST_F(LeasedIdsTest, MakeNoneOnceTheLeaseMayBeOver) {
    LeasedIds ids{pool_, clock_};
    ids.next();
    tell("revoke insert, update on machine_leases from shop_product");  // no renewal
    elapsed_ += LeasedIds::lease / 2;
    ids.next();  // there is time for another try
    elapsed_ += LeasedIds::lease / 2;
    EXPECT_THROW(ids.next(), pqxx::sql_error) << "an id with a number that may be another's";
    tell("grant insert, update on machine_leases to shop_product");
    EXPECT_NO_THROW(ids.next());
}

TEST(LeasedIdsOfProcesses, DifferThoughTheSequenceComesBackToOneThatIsInUse) {
    const support::ShopDatabases databases{{"product"}};
    databases.with_topics();
    pqxx::connection super{databases.of("product").dsn()};
    const auto headers = std::map<std::string, std::string>{
        {"Content-Type", "application/json"},
        {"Authorization", "Bearer " + support::token_of(1, domain::token::Role::merchant)}};
    std::set<long> machines;
    std::vector<std::unique_ptr<support::ShopProcess>> shops;
    for (int i = 0; i < 2; ++i) {
        pqxx::nontransaction{super}.exec("select setval('machine', 7, false)");
        shops.push_back(std::make_unique<support::ShopProcess>(
            databases, std::vector<std::string>{"product"},
            std::map<std::string, std::string>{
                {"SHOP_PRODUCT_GRPC", std::format("127.0.0.1:{}", support::free_port())}}));
        const auto made =
            support::request(shops.back()->address("product"), "POST", "/api/v1/categories",
                             R"({"name": "c", "description": "d"})", headers);
        ASSERT_EQ(made.status, 201) << made.body;
        machines.insert(machine_of(nlohmann::json::parse(made.body).at("id")));
    }
    EXPECT_EQ(machines, (std::set<long>{7, 8}));
}

}  // namespace

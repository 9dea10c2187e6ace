// How the shop starts, or says why it does not; and what its roles may do.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <pqxx/pqxx>

#include "integration/raw_http.hpp"
#include "integration/shop_process.hpp"
#include "schema/migrator.hpp"
#include "support/database.hpp"
#include "support/environment.hpp"
#include "support/loopback.hpp"
#include "support/process.hpp"
#include "support/wait.hpp"

namespace {

using support::Process;
using testing::HasSubstr;
using testing::Not;

constexpr auto secret = "canary-secret-of-more-than-32-bytes";

std::string output_of_failure(const std::vector<std::string>& arguments,
                              std::map<std::string, std::string> environment = {}) {
    environment.emplace("SHOP_GRPC_WITHOUT_TOKEN", "true");
    std::vector<std::string> argv{support::bin("shop")};
    argv.insert(argv.end(), arguments.begin(), arguments.end());
    Process shop{{.argv = argv, .env = environment}};
    const auto status = shop.wait(std::chrono::seconds{20});
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) != 0) << status;
    return shop.output();
}

TEST(ShopStart, SaysWhichDatabaseItCannotReachAndHidesThePassword) {
    const auto output =
        output_of_failure({"serve", "order", "--start-timeout-s", "1"},
                          {{"SHOP_ORDER_DSN", "postgresql://u:hunter2@127.0.0.1:1/shop_order"},
                           {"SHOP_JWT_SECRET", secret}});
    EXPECT_THAT(output, HasSubstr("cannot use database shop_order at 127.0.0.1:1"));
    EXPECT_THAT(output, HasSubstr("Is PostgreSQL up"));
    EXPECT_THAT(output, Not(HasSubstr("hunter2")));
}

TEST(ShopStart, SaysHowToMigrateADatabaseThatIsNot) {
    const support::Database empty{{}};
    EXPECT_THAT(output_of_failure({"serve", "payment"},
                                  {{"SHOP_PAYMENT_DSN", empty.dsn()}, {"SHOP_JWT_SECRET", secret}}),
                HasSubstr("postroom migrate"));
}

TEST(ShopStart, SaysHowToMigrateADatabaseThatLacksTheNewestFile) {
    namespace fs = std::filesystem;
    for (const std::string behind : {"outbox", "order"}) {
        const auto some = fs::temp_directory_path() / support::unique_name("migrations") / behind;
        fs::create_directories(some);
        std::vector<fs::path> files{
            fs::directory_iterator{support::source_dir() / "schema" / behind}, {}};
        std::ranges::sort(files);
        files.pop_back();
        for (const auto& file : files) fs::copy_file(file, some / file.filename());
        const support::Database database{{}};
        const auto whole = support::source_dir() / "schema";
        schema::migrate(database.dsn(), {behind == "outbox" ? some : whole / "outbox",
                                         behind == "order" ? some : whole / "order"});
        fs::remove_all(some.parent_path());
        const auto dsn = database.dsn("shop_order");
        EXPECT_THAT(output_of_failure({"serve", "order"},
                                      {{"SHOP_ORDER_DSN", dsn}, {"SHOP_JWT_SECRET", secret}}),
                    HasSubstr("postroom migrate --dsn … --dir schema/outbox --dir schema/order"))
            << behind;
    }
}

TEST(ShopStart, SaysWhatIsWrongWithItsArguments) {
    EXPECT_THAT(output_of_failure({}), HasSubstr("subcommand"));
    EXPECT_THAT(output_of_failure({"serve", "bakery"}), HasSubstr("bakery"));
    EXPECT_THAT(output_of_failure({"serve", "order"}), HasSubstr("--order-dsn"));
    EXPECT_THAT(output_of_failure({"serve", "order", "--log-level", "loud"}),
                HasSubstr("--log-level"));
    const support::Database database{{"outbox", "order"}};
    const auto dsn = database.dsn("shop_order");
    EXPECT_THAT(output_of_failure({"serve", "order"}, {{"SHOP_ORDER_DSN", dsn}}),
                HasSubstr("--jwt-secret-file"));
    EXPECT_THAT(output_of_failure({"serve", "order", "--order-http", "8082"},
                                  {{"SHOP_ORDER_DSN", dsn}, {"SHOP_JWT_SECRET", secret}}),
                HasSubstr("write host:port"));
}

TEST(ShopStart, NeedsATokenForGrpcUnlessToldThatAnyoneMayCall) {
    for (const std::string service : {"account", "product", "order", "payment", "purchase"}) {
        const auto output = output_of_failure(
            {"serve", service, "--start-timeout-s", "0"},
            {{"SHOP_" + support::upper(service) + "_DSN", "postgresql://u@127.0.0.1:1/shop"},
             {"SHOP_JWT_SECRET", secret},
             {"SHOP_GRPC_WITHOUT_TOKEN", ""}});
        EXPECT_THAT(output, HasSubstr("--grpc-token-file")) << service;
        EXPECT_THAT(output, Not(HasSubstr("cannot use"))) << service;
    }
}

// Its own names and those of older services: the command line's parser would pass them over.
TEST(ShopStart, SaysWhichVariableCannotBe) {
    const std::map<std::string, std::string> wrong{
        {"SHOP_RPS", "many"}, {"DB_MAX_OPEN_CONNS", "0"}, {"REDIS_EXPIRATION_SECONDS", "-1"}};
    for (const auto& [name, value] : wrong) {
        const auto output = output_of_failure({"serve", "order"}, {{name, value}});
        EXPECT_THAT(output, HasSubstr(value)) << name;
        EXPECT_THAT(output, Not(HasSubstr("--order-dsn"))) << name;
    }
}

TEST(ShopMetrics, AreAtAPortForOthersThanThisMachineOnlyIfItIsTheirOwn) {
    const support::ShopDatabases databases{{"order"}};
    const auto status = [](const std::string& address) {
        return support::request("127.0.0.1" + address.substr(address.rfind(':')), "GET", "/metrics")
            .status;
    };
    support::ShopProcess open{databases, {"order"}, {{"SHOP_ORDER_HTTP", "0.0.0.0:0"}}};
    EXPECT_EQ(status(open.address("order")), 404);
    support::ShopProcess closed{databases, {"order"}};
    EXPECT_EQ(status(closed.address("order")), 200);
    const auto own = "127.0.0.1:" + std::to_string(support::free_port());
    support::ShopProcess both{
        databases, {"order"}, {{"SHOP_ORDER_HTTP", "0.0.0.0:0"}, {"SHOP_METRICS_LISTEN", own}}};
    EXPECT_EQ(status(both.address("order")), 404);
    support::eventually(std::chrono::seconds{20}, "the port of metrics",
                        [&] { return both.process().output().contains("showing metrics"); });
    EXPECT_EQ(status(own), 200);
}

TEST(ShopRoles, CannotTakeBackWhatWasWrittenNorReadWithAnothersRole) {
    const support::Database order{{"outbox", "order"}};
    const auto forbidden = [&](const char* role, const char* statement) {
        pqxx::connection connection{order.dsn(role)};
        pqxx::work tx{connection};
        EXPECT_THROW(tx.exec(statement), pqxx::insufficient_privilege) << role << ": " << statement;
    };
    forbidden("shop_order", "delete from orders");
    forbidden("shop_order", "update orders set amount = 0");
    forbidden("shop_order", "update order_items set quantity = 1");
    forbidden("shop_order", "update outbox.event set type = 'x'");
    forbidden("shop_order", "delete from inbox.received");
    forbidden("postroom_relay", "select from orders");
    const support::Database payment{{"outbox", "payment"}};
    pqxx::connection connection{payment.dsn("shop_payment")};
    EXPECT_THROW(pqxx::work{connection}.exec("update payments set status = 'TAKEN'"),
                 pqxx::insufficient_privilege);
}

}  // namespace

// Products over real gRPC, on a real database.

#include "http/product/product_rpc.hpp"

#include <grpcpp/grpcpp.h>

#include <future>

#include "http/grpc_server.hpp"
#include "integration/product_fixture.hpp"
#include "product.grpc.pb.h"
#include "support/loopback.hpp"
#include "support/wait.hpp"

namespace {

class ProductRpcTest : public integration::ProductTest {
protected:
    ProductRpcTest() { server.start(); }

    std::unique_ptr<product::ProductService::Stub> stub() {
        return product::ProductService::NewStub(
            grpc::CreateChannel(server.address(), grpc::InsecureChannelCredentials()));
    }
    static void limit(grpc::ClientContext& context) {
        context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds{20});
    }

    grpc::Status check(const std::vector<std::pair<std::uint64_t, std::uint64_t>>& items) {
        product::CheckProductsRequest wanted;
        for (const auto& [id, quantity] : items) {
            auto& item = *wanted.add_items();
            item.set_product_id(id);
            item.set_quantity(quantity);
        }
        grpc::ClientContext context;
        limit(context);
        checked.Clear();
        return stub()->CheckProducts(&context, wanted, &checked);
    }

    http::Log log{"off"};
    http::GrpcServer server{{.service = "product",
                             .listen = "127.0.0.1:0",
                             .message_limit = http::product::grpc_message_limit},
                            {http::product::make_product_rpc(products_, http::RpcGuard{log})},
                            log};
    product::CheckProductsResponse checked;
};

TEST_F(ProductRpcTest, SaysOfEachItemWhetherThereIsEnough) {
    stock(1, 3);
    stock(2, 3);
    tell("update products set price = 0 where id = 1");
    const auto answered =
        check({{1, 3}, {2, 2}, {2, 2}, {99, 1}, {UINT64_MAX, 1}, {3, UINT64_MAX}});
    ASSERT_TRUE(answered.ok()) << answered.error_message();
    ASSERT_EQ(checked.statuses_size(), 6);
    EXPECT_EQ(checked.statuses(0).status(), product::OK);
    EXPECT_EQ(checked.statuses(0).price(), 0U);
    EXPECT_EQ(checked.statuses(1).status(), product::NOT_ENOUGH);
    EXPECT_EQ(checked.statuses(1).price(), 1250U);
    EXPECT_EQ(checked.statuses(2).status(), product::NOT_ENOUGH);
    EXPECT_EQ(checked.statuses(3).status(), product::NOT_FOUND);
    EXPECT_EQ(checked.statuses(3).product_id(), 99U);
    EXPECT_EQ(checked.statuses(4).status(), product::NOT_FOUND);
    EXPECT_EQ(checked.statuses(5).status(), product::NOT_ENOUGH);
}

TEST_F(ProductRpcTest, RefusesWhatIsTooMuchOrNothing) {
    EXPECT_EQ(check({{1, 0}}).error_code(), grpc::StatusCode::INVALID_ARGUMENT);
    EXPECT_EQ(check(std::vector(501, std::pair{std::uint64_t{1}, std::uint64_t{1}})).error_code(),
              grpc::StatusCode::INVALID_ARGUMENT);
    EXPECT_TRUE(check({}).ok());
}

TEST_F(ProductRpcTest, GivesTheProductsThatExist) {
    stock(4, 9);
    product::GetProductsRequest wanted;
    for (const auto id : {5, 4, 99, 4}) wanted.add_product_ids(static_cast<std::uint64_t>(id));
    product::GetProductsResponse found;
    grpc::ClientContext context;
    limit(context);
    ASSERT_TRUE(stub()->GetProducts(&context, wanted, &found).ok());
    ASSERT_EQ(found.products_size(), 2);
    EXPECT_EQ(found.products(0).id(), 4U);
    EXPECT_EQ(found.products(0).category(), 2U);
    EXPECT_EQ(found.products(0).name(), "Envelopes, 100 pieces");
    EXPECT_EQ(found.products(0).brand_name(), "Foldmark");
    EXPECT_EQ(found.products(0).description(), "C6, recycled, gummed");
    EXPECT_EQ(found.products(0).price(), 790U);
    EXPECT_EQ(found.products(0).inventory(), 9U);
    EXPECT_EQ(found.products(1).id(), 5U);
}

TEST_F(ProductRpcTest, SendsFiveHundredOfTheLongestProducts) {
    tell(
        "insert into products select n, 1, repeat('n', 200), repeat('d', 4000), repeat('b', 200),"
        " 1, 1 from generate_series(1001, 1500) n");
    product::GetProductsRequest wanted;
    for (std::uint64_t id = 1001; id <= 1500; ++id) wanted.add_product_ids(id);
    product::GetProductsResponse found;
    grpc::ClientContext context;
    limit(context);
    const auto answered = stub()->GetProducts(&context, wanted, &found);
    EXPECT_TRUE(answered.ok()) << answered.error_message();
    EXPECT_EQ(found.products_size(), 500);
}

TEST_F(ProductRpcTest, FinishesTheCallThatHasBegunWhenItStops) {
    pqxx::work holder{super_};
    holder.exec("lock table products in access exclusive mode");
    auto call = std::async(std::launch::async, [&] { return check({{1, 1}}); });
    pqxx::connection watcher{database_.dsn()};
    support::eventually(std::chrono::seconds{10}, "the call to wait for the table", [&] {
        return pqxx::nontransaction{watcher}.query_value<int>(
                   "select count(*) from pg_locks where not granted") > 0;
    });
    const auto port = std::stoi(server.address().substr(server.address().rfind(':') + 1));
    auto stopped = std::async(std::launch::async, [&] { server.stop(); });
    support::eventually(std::chrono::seconds{4}, "the port to be closed",
                        [&] { return !support::accepts(port); });
    holder.commit();
    EXPECT_TRUE(call.get().ok());
    stopped.get();
    EXPECT_EQ(check({{1, 1}}).error_code(), grpc::StatusCode::UNAVAILABLE);
}

}  // namespace

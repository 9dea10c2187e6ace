#include "http/grpc_server.hpp"

#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <mutex>
#include <thread>
#include <vector>

#include "http/grpc_client.hpp"
#include "http/server.hpp"
#include "product.grpc.pb.h"

namespace http {
namespace {

using namespace std::chrono_literals;

// Answers nobody before so many calls are there.
class Meeting final : public product::ProductService::Service {
public:
    explicit Meeting(std::size_t size) : size_{size} {}

    grpc::Status GetProducts(grpc::ServerContext*, const product::GetProductsRequest*,
                             product::GetProductsResponse*) override {
        std::unique_lock lock{mutex_};
        ++here_;
        changed_.notify_all();
        const bool all = changed_.wait_for(lock, 20s, [&] { return here_ >= size_; });
        return all ? grpc::Status::OK : grpc::Status{grpc::DEADLINE_EXCEEDED, "some are missing"};
    }

private:
    const std::size_t size_;
    std::mutex mutex_;
    std::condition_variable changed_;
    std::size_t here_ = 0;
};

TEST(GrpcServer, TakesAsManyCallsAtOnceAsTheThreadsOfACallersListenerMake) {
    const auto callers = ServerOptions{}.threads;
    Log log{"off"};
    GrpcServer server{
        {.service = "product", .listen = "127.0.0.1:0"}, {std::make_shared<Meeting>(callers)}, log};
    server.start();
    const auto stub = product::ProductService::NewStub(channel_to(server.address(), {}));
    std::atomic<std::size_t> answered = 0;
    {
        std::vector<std::jthread> threads;
        for (std::size_t i = 0; i < callers; ++i)
            threads.emplace_back([&] {
                grpc::ClientContext context;
                product::GetProductsResponse response;
                const auto status = stub->GetProducts(&context, {}, &response);
                EXPECT_TRUE(status.ok()) << status.error_message();
                answered += status.ok() ? 1 : 0;
            });
    }
    EXPECT_EQ(answered, callers);
}

}  // namespace
}  // namespace http

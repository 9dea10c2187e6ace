// A service that is stopped and started again behind the edge, while customers ask.

#include <gtest/gtest.h>

#include <atomic>
#include <csignal>
#include <map>
#include <memory>
#include <thread>
#include <vector>

#include "integration/all_services.hpp"
#include "integration/raw_http.hpp"
#include "support/kafka.hpp"
#include "support/loopback.hpp"
#include "support/wait.hpp"

namespace {

using std::chrono::seconds;
using support::Answer;

constexpr auto path = "/api/v1/products?offset=0&size=1";

// Customers, until they are told to go.
class Customers {
public:
    explicit Customers(const std::string& edge) {
        threads_.reserve(3);
        for (int i = 0; i < 3; ++i) {
            threads_.emplace_back([this, edge](const std::stop_token& stop) {
                while (!stop.stop_requested()) count(support::request(edge, "GET", path));
            });
        }
    }
    void go() {
        for (auto& thread : threads_) thread.request_stop();
        threads_.clear();
    }
    int served() const { return served_; }
    int unavailable() const { return unavailable_; }  // 503, with when to come back
    int failed() const { return failed_; }

private:
    void count(const Answer& answer) {
        const bool told = answer.status == 503 && answer.headers.contains("Retry-After");
        ++(answer.status == 200 ? served_ : told ? unavailable_ : failed_);
    }

    std::atomic<int> served_ = 0, unavailable_ = 0, failed_ = 0;
    std::vector<std::jthread> threads_;
};

class DrainTest : public testing::Test {
protected:
    DrainTest() {
        for (const auto* topic : {"update-product-inventory", "rollback-product-inventory"})
            support::create_topic(databases_.topic_prefix + topic, 1);
    }

    void start(int instance) {
        auto& shop = instances_[instance];
        shop.reset();
        shop = std::make_unique<support::ShopProcess>(
            databases_, std::vector<std::string>{"product"},
            std::map<std::string, std::string>{
                {"SHOP_PRODUCT_HTTP", addresses_[static_cast<std::size_t>(instance)]},
                {"SHOP_PRODUCT_GRPC", "127.0.0.1:0"},
                {"SHOP_DRAIN_S", "3"}});
        support::eventually(seconds{30}, "the instance to be ready", [&] {
            return support::request(addresses_[static_cast<std::size_t>(instance)], "GET",
                                    "/readyz")
                       .status == 200;
        });
    }

    support::Edge lead_to(int instances) {
        std::map<std::string, std::string> to{{"product", addresses_[0]}};
        for (const auto* other : {"account", "order", "payment", "purchase"})
            to[other] = "127.0.0.1:9";
        if (instances == 2) to["product_2"] = addresses_[1];
        return support::Edge{to};
    }

    // By SIGTERM, and while customers go on.
    void restart(int instance, const Customers& customers) {
        auto& process = instances_[instance]->process();
        const auto before = customers.served() + customers.unavailable();
        process.signal(SIGTERM);
        EXPECT_EQ(process.wait(seconds{20}), 0);
        EXPECT_GT(customers.served() + customers.unavailable(), before);
        start(instance);
    }

    static void await(support::Edge& edge, const std::string& line) {
        support::eventually(seconds{20}, line,
                            [&] { return edge.process().output().contains(line); });
    }

    support::ShopDatabases databases_{{"product"}};
    std::vector<std::string> addresses_{"127.0.0.1:" + std::to_string(support::free_port()),
                                        "127.0.0.1:" + std::to_string(support::free_port())};
    std::map<int, std::unique_ptr<support::ShopProcess>> instances_;
};

TEST_F(DrainTest, OfTwoInstancesOneIsAlwaysThere) {
    start(0);
    start(1);
    auto edge = lead_to(2);
    Customers customers{edge.address()};
    restart(0, customers);
    await(edge, "Server product/product-1 is DOWN");
    await(edge, "Server product/product-1 is UP");
    restart(1, customers);
    await(edge, "Server product/product-2 is UP");
    customers.go();
    EXPECT_GT(customers.served(), 0);
    EXPECT_EQ(customers.unavailable(), 0);
    EXPECT_EQ(customers.failed(), 0);
}

TEST_F(DrainTest, WhereThereIsOneOnlyCustomersAreToldWhenToComeBack) {
    start(0);
    auto edge = lead_to(1);
    Customers customers{edge.address()};
    restart(0, customers);
    await(edge, "Server product/product-1 is UP");
    support::eventually(seconds{20}, "customers to be served again",
                        [&, before = customers.served()] { return customers.served() > before; });
    customers.go();
    EXPECT_GT(customers.unavailable(), 0);
    EXPECT_EQ(customers.failed(), 0);
}

}  // namespace

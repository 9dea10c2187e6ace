#include "http/server.hpp"

#include <gtest/gtest.h>
#include <httplib.h>

#include <atomic>
#include <chrono>
#include <optional>
#include <thread>
#include <vector>

namespace http {
namespace {

using namespace std::chrono_literals;

// Two threads, and connections that are kept for longer than anybody here waits.
class Server : public testing::Test {
protected:
    Server() {
        dispatcher_.on("GET", "/things", [](const Request&) -> Outcome { return Response{}; });
    }

    httplib::Client client() {
        const auto colon = server_->address().rfind(':');
        httplib::Client client{server_->address().substr(0, colon),
                               std::stoi(server_->address().substr(colon + 1))};
        client.set_keep_alive(true);
        client.set_read_timeout(5s);
        return client;
    }
    static int get(httplib::Client& client) {
        const auto answer = client.Get("/things");
        return answer ? answer->status : 0;
    }

private:
    Metrics metrics_{"shop"};
    Log log_{"off"};
    Dispatcher dispatcher_{"shop", metrics_, log_};

protected:
    std::optional<http::Server> server_{
        std::in_place, ServerOptions{.listen = "127.0.0.1:0", .threads = 2, .keep_alive = 60s},
        dispatcher_};
};

TEST_F(Server, GivesTheThreadsOfIdleConnectionsToThoseThatWait) {
    auto first = client(), second = client(), third = client();
    ASSERT_EQ(get(first), 200);
    ASSERT_EQ(get(second), 200);
    EXPECT_EQ(get(third), 200) << "idle connections keep others waiting";
    EXPECT_EQ(get(first), 200) << "a client comes back";
}

TEST_F(Server, ServesMoreBusyConnectionsThanItHasThreadsByTurns) {
    std::atomic<bool> enough = false;
    std::atomic<int> refused = 0;
    {
        std::vector<std::jthread> busy;
        for (int i = 0; i < 2; ++i)
            busy.emplace_back([&] {
                for (auto mine = client(); !enough;) refused += get(mine) == 200 ? 0 : 1;
            });
        for (int i = 0; i < 20; ++i) {
            auto other = client();
            EXPECT_EQ(get(other), 200) << "busy connections keep others waiting";
        }
        enough = true;
    }
    EXPECT_EQ(refused, 0) << "a connection ends only as its last answer said";
}

TEST_F(Server, KeepsConnectionsThatNobodyWaitsFor) {
    auto only = client();
    ASSERT_EQ(get(only), 200);
    const auto socket = only.socket();
    EXPECT_EQ(get(only), 200);
    EXPECT_EQ(only.socket(), socket);
}

}  // namespace
}  // namespace http

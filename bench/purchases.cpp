// Customers of the shop, as a load: prints how many purchases were accepted, and refused.
//
//   bench_purchases HOST PORT TOKEN CLIENTS RATE SECONDS
//
// With a rate, each purchase is sent at its time, whatever the others do (an open loop); with 0,
// each client sends its next one when the last was answered (a closed loop).
#include <httplib.h>

#include <atomic>
#include <chrono>
#include <print>
#include <string>
#include <thread>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;
using namespace std::chrono_literals;

struct Load {
    std::string host, token;
    int port;
    std::int64_t clients, rate, seconds;
    std::atomic<std::int64_t> accepted = 0, refused = 0, late = 0;
    Clock::time_point start = Clock::now();
};

std::string body(std::int64_t n) {
    return std::format(R"({{"order_items":[{{"product_id":{},"quantity":1}},)"
                       R"({{"product_id":{},"quantity":2}}],)"
                       R"("payment":{{"currency_code":"EUR"}}}})",
                       1 + n % 2, 3 + n % 2);
}

void buy(Load& load, std::int64_t client) {
    httplib::Client http{load.host, load.port};
    http.set_keep_alive(true);
    http.set_tcp_nodelay(true);
    const httplib::Headers headers{{"Authorization", "Bearer " + load.token}};
    const auto end = load.start + std::chrono::seconds{load.seconds};
    for (auto n = client;; n += load.clients) {
        if (load.rate > 0) {
            const auto due = load.start + n * Clock::duration{1s} / load.rate;
            if (due >= end) return;
            std::this_thread::sleep_until(due);
            if (Clock::now() - due > 100ms) ++load.late;
        } else if (Clock::now() >= end) {
            return;
        }
        const auto answer = http.Post("/api/v1/purchases", headers, body(n), "application/json");
        ++(answer && answer->status == 202 ? load.accepted : load.refused);
    }
}

}  // namespace

int main(int argc, char** argv) {
    const std::vector<std::string> given(argv + 1, argv + argc);
    if (given.size() != 6) {
        std::println(stderr, "usage: bench_purchases HOST PORT TOKEN CLIENTS RATE SECONDS");
        return 2;
    }
    Load load{.host = given[0],
              .token = given[2],
              .port = std::stoi(given[1]),
              .clients = std::stoll(given[3]),
              .rate = std::stoll(given[4]),
              .seconds = std::stoll(given[5])};
    {
        std::vector<std::jthread> threads;
        threads.reserve(static_cast<std::size_t>(load.clients));
        for (std::int64_t client = 0; client < load.clients; ++client)
            threads.emplace_back([&load, client] { buy(load, client); });
    }
    std::println(R"({{"accepted": {}, "refused": {}, "sent_late": {}}})", load.accepted.load(),
                 load.refused.load(), load.late.load());
}

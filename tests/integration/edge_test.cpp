// What attackers send, to each of the six services and through HAProxy: faults.md, "HTTP".

#include <gtest/gtest.h>

#include <format>
#include <future>
#include <sstream>
#include <string>
#include <vector>

#include "integration/all_services.hpp"
#include "integration/raw_http.hpp"
#include "support/wait.hpp"

namespace {

using support::Answer;
using support::send_raw;

struct Target {
    std::string name, address;
    std::string get, post;  // paths; post takes JSON, or nothing does
    int good;               // what get answers a stranger
    bool takes_json = true;
    bool is_edge = false;
};

struct Attack {
    std::string what, bytes;
    int status;                // of a service; 0: the connection is closed without one
    int if_stranger = status;  // where who asks is asked first
};

const std::string smuggled = "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n";

std::string many(std::size_t lines) {
    std::string all;
    for (std::size_t line = 0; line < lines; ++line) all += std::format("X-{}: a\r\n", line);
    return all;
}

std::string chunked(const std::string& body) {
    return std::format("{:x}\r\n{}\r\n0\r\n\r\n", body.size(), body);
}

// HAProxy, which is sure of a request's end, may serve what follows one that it refuses; it is
// asked not to. A service has to close by itself.
std::string request_line(const Target& target, const std::string& method, const std::string& path) {
    return method + " " + path + " HTTP/1.1\r\nHost: x\r\n" +
           (target.is_edge ? "Connection: close\r\n" : "");
}
std::string post_of(const Target& target) {
    return request_line(target, "POST", target.post) + "Content-Type: application/json\r\n";
}

// Each ends what can be read as one request; what follows must never be answered.
std::vector<Attack> framing(const Target& target) {
    const auto get = request_line(target, "GET", target.get);
    const auto head = request_line(target, "HEAD", target.get);
    const auto remove = request_line(target, "DELETE", target.get);
    const auto post = post_of(target);
    const auto length = std::format("Content-Length: {}\r\n", smuggled.size());
    const std::string chunks = "Transfer-Encoding: chunked\r\n";
    return {
        {"GET with a body", get + length + "\r\n" + smuggled, 400},
        {"GET with chunks", get + chunks + "\r\n" + chunked("a") + smuggled, 400},
        {"HEAD with a body", head + length + "\r\n" + smuggled, 0},
        {"DELETE with a body", remove + length + "\r\n" + smuggled, 400},
        {"CL and TE", post + length + chunks + "\r\n0\r\n\r\n" + smuggled, 400},
        {"TE and CL", post + chunks + length + "\r\n0\r\n\r\n" + smuggled, 400},
        {"two CLs", post + "Content-Length: 1\r\n" + length + "\r\n" + smuggled, 400},
        {"a list of CLs", post + "Content-Length: 1, 40\r\n\r\n" + smuggled, 400},
        {"a signed CL", post + "Content-Length: +1\r\n\r\n" + smuggled, 400},
        {"a negative CL", post + "Content-Length: -1\r\n\r\n" + smuggled, 400},
        {"TE gzip, chunked", post + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n" + smuggled,
         400},
        {"TE xchunked", post + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + smuggled, 400},
        {"two TEs", post + chunks + "Transfer-Encoding: identity\r\n\r\n0\r\n\r\n" + smuggled, 400},
        {"a space before the colon",
         post + "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n" + smuggled, 400},
        {"a folded header",
         post + "X: a\r\n Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + smuggled, 400},
        {"a line end without CR", post + "X: a\n" + chunks + "\r\n0\r\n\r\n" + smuggled, 400},
        {"a CR within a line", post + "X: a\rb\r\n" + chunks + "\r\n0\r\n\r\n" + smuggled, 400},
        {"a chunk's size that is none", post + chunks + "\r\nzz\r\n" + smuggled, 400},
        {"a chunk's size that overflows",
         post + chunks + "\r\nfffffffffffffffffff\r\na\r\n0\r\n\r\n" + smuggled, 400},
    };
}

std::vector<Attack> excess(const Target& target) {
    const auto get = request_line(target, "GET", target.get);
    const auto post = post_of(target);
    const std::string chunks = "Transfer-Encoding: chunked\r\n";
    const std::string large(70'000, ' ');
    const std::string endless(1'000'000, 'a');
    const auto deep = std::string(20'000, '[') + std::string(20'000, ']');
    const auto nested = R"({"a":)" + std::string(20'000, '[') + std::string(20'000, ']') + "}";
    const auto whole = [&](const std::string& body) {
        return post + std::format("Connection: close\r\nContent-Length: {}\r\n\r\n", body.size()) +
               body;
    };
    return {
        {"chunked past the limit", post + chunks + "\r\n" + chunked(large) + smuggled, 413},
        {"a length past the limit", post + "Content-Length: 99999999999\r\n\r\n" + smuggled, 413},
        {"gzip", post + "Content-Encoding: gzip\r\nContent-Length: 4\r\n\r\n\x1f\x8b\x08a", 415},
        {"an endless chunk extension", post + chunks + "\r\n1;" + endless, 400},
        {"endless trailers", post + chunks + "\r\n0\r\n" + many(20'000) + "\r\n" + smuggled, 400},
        {"an endless header line", get + "X: " + endless, 400},
        {"an endless request line", "GET /" + endless, 0},
        {"a long request line",
         request_line(target, "GET", "/" + std::string(9000, 'a')) + "\r\n" + smuggled, 414},
        {"endless header lines", get + many(50'000) + "\r\n" + smuggled, 400},
        {"a hundred header lines too many", get + many(200) + "\r\n" + smuggled, 400},
        {"deep JSON", whole(deep), 400, 401},
        {"deep JSON in an object", whole(nested), 400, 401},
        {"JSON that is no UTF-8", whole("{\"a\":\"\xff\xfe\"}"), 400, 401},
        {"a NUL in a text",
         whole(R"({"email":"a\u0000@b.c","password":"a\u0000bcdefgh","name":"\u0000"})"), 400, 401},
        {"a method that is none", request_line(target, "BREW", "/") + "\r\n" + smuggled, 400},
        {"a version that is none",
         "GET / HTTP/9.9\r\nHost: x\r\nConnection: close\r\n\r\n" + smuggled, 400},
        {"a NUL in a header", get + std::string("X: a\0b\r\n\r\n", 10) + smuggled, 400},
    };
}

// Texts of exceptions, of SQL and of the server's own code, which belong into the log.
void expect_no_innards(const Answer& answer) {
    for (const auto* inner : {"exception", "pqxx", "std::", "nlohmann", "parse_error", "SQL",
                              "select ", "insert ", "libpq", "/usr/", "terminate"}) {
        EXPECT_FALSE(answer.body.contains(inner)) << answer.body;
    }
}

void expect_refused(const Target& target, const Attack& attack) {
    SCOPED_TRACE(target.name + ": " + attack.what);
    // HAProxy waits for the end of what has none, says so, and need not close.
    const auto answer =
        target.is_edge ? support::drip(target.address, attack.bytes, std::chrono::milliseconds{200},
                                       std::chrono::seconds{20})
                       : send_raw(target.address, attack.bytes);
    EXPECT_TRUE(answer.status == 0 || (answer.status >= 400 && answer.status < 500))
        << answer.status << ' ' << answer.body;
    if (target.takes_json && !target.is_edge) {
        EXPECT_TRUE(answer.status == attack.status || answer.status == attack.if_stranger)
            << answer.status << ' ' << answer.body;
    }
    EXPECT_EQ(answer.rest, "");
    expect_no_innards(answer);
    const auto good = support::request(target.address, "GET", target.get);
    EXPECT_EQ(good.status, target.good) << good.body;
}

void expect_no_header_injected(const Target& target) {
    SCOPED_TRACE(target.name);
    for (const auto* name : {"X-Request-Id", "correlation-id", "traceparent", "Idempotency-Key"}) {
        const auto answer = send_raw(
            target.address, std::format("GET {} HTTP/1.1\r\nHost: x\r\n{}: a%0d%0aInjected: b\r\n"
                                        "Connection: close\r\n\r\n",
                                        target.get, name));
        EXPECT_EQ(answer.status, target.good);
        EXPECT_FALSE(answer.headers.contains("Injected")) << name;
    }
    const auto path = send_raw(target.address,
                               "GET /a%0d%0aInjected:%20b?c=%0d%0aInjected:%20b HTTP/1.1\r\n"
                               "Host: x\r\nConnection: close\r\n\r\n");
    EXPECT_EQ(path.status, 404);
    EXPECT_FALSE(path.headers.contains("Injected"));
}

// A byte now and then, for as long as it is taken.
void expect_impatience(const Target& target, const std::string& beginning) {
    SCOPED_TRACE(target.name + ": a byte at a time after " + beginning);
    const auto since = std::chrono::steady_clock::now();
    const auto answer = support::drip(target.address, beginning, std::chrono::milliseconds{100},
                                      std::chrono::seconds{20});
    EXPECT_TRUE(answer.status == 0 || (answer.status >= 400 && answer.status < 500))
        << answer.status;
    EXPECT_LT(std::chrono::steady_clock::now() - since, std::chrono::seconds{15});
}

void attack_all(const Target& target) {
    std::vector<std::future<void>> slow;
    slow.reserve(2);
    slow.push_back(std::async(std::launch::async, [&] {
        expect_impatience(target, "GET " + target.get + " HTTP/1.1\r\nHost: x\r\nX: ");
    }));
    slow.push_back(std::async(std::launch::async, [&] {
        expect_impatience(target, "POST " + target.post +
                                      " HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                                      "Content-Length: 60000\r\n\r\n");
    }));
    for (const auto& attack : framing(target)) expect_refused(target, attack);
    for (const auto& attack : excess(target)) expect_refused(target, attack);
    expect_no_header_injected(target);
    for (auto& each : slow) each.get();
}

// Customers say neither where they are nor what is not theirs to ask; ids of requests are theirs to
// give, if they are ids.
void expect_rules_of_the_edge(const support::Edge& edge, support::AllServices& shop) {
    const auto asked = support::request(
        edge.address(), "GET", "/api/v1/products", {},
        {{"X-Request-Id", "seek-me"}, {"X-Forwarded-For", "6.6.6.6"}, {"X-User-ID", "1"}});
    EXPECT_EQ(asked.headers.at("X-Request-Id"), "seek-me");
    EXPECT_FALSE(asked.headers.contains("Server"));
    support::eventually(std::chrono::seconds{10}, "the access log's line", [&] {
        std::istringstream lines{shop.process().output()};
        for (std::string line; std::getline(lines, line);) {
            if (line.contains("seek-me")) return line.contains(R"("remote":"127.0.0.1")");
        }
        return false;
    });
    const auto renamed = support::request(edge.address(), "GET", "/api/v1/products", {},
                                          {{"X-Request-Id", "no id<script>"}});
    EXPECT_EQ(renamed.status, 200);
    EXPECT_EQ(renamed.headers.at("X-Request-Id").find_first_not_of("0123456789abcdef-"),
              std::string::npos);
    for (const auto* path :
         {"/metrics", "/api/v1/sagas", "/api/v1/sagas/1/force", "/api/v1/", "/api/v1/productsx",
          "//api/v1/products", "/api/purchasex", "/api/v1/purchase", "//api/purchase",
          "/apix/purchase", "/api/productsx", "/api/products/1"}) {
        EXPECT_EQ(support::request(edge.address(), "GET", path).status, 404) << path;
    }
    EXPECT_EQ(support::request(edge.address(), "GET", "/api/products").status, 200);
    // Older clients' routes, for those who say who they are.
    EXPECT_EQ(support::request(edge.address(), "GET", "/api/purchase/result").status, 401);
    const auto placed = support::request(edge.address(), "POST", "/api/purchase", "{}",
                                         {{"Content-Type", "application/json"}});
    EXPECT_EQ(placed.status, 401) << placed.body;
}

TEST(EdgeTest, EveryServiceAndTheEdgeRefuseWhatAttackersSendAndServeOn) {
    support::AllServices shop;
    std::map<std::string, std::string> addresses;
    for (const auto& name : support::all_services()) addresses[name] = shop.address(name);
    const support::Edge edge{addresses};
    const Target targets[] = {
        {"account", addresses["account"], "/api/v1/account/customer/personal",
         "/api/v1/account/auth/login", 401},
        {"product", addresses["product"], "/api/v1/products", "/api/v1/products", 200},
        {"order", addresses["order"], "/api/v1/orders/1", "/api/v1/orders/1", 401, false},
        {"payment", addresses["payment"], "/api/v1/payments/1", "/api/v1/payments/1", 401, false},
        {"purchase", addresses["purchase"], "/api/v1/purchases/1", "/api/v1/purchases", 401},
        {"orchestrator", addresses["orchestrator"], "/api/v1/sagas", "/api/v1/sagas/1/retry", 401},
        {"edge to account", edge.address(), "/api/v1/account/customer/personal",
         "/api/v1/account/auth/login", 401, true, true},
        {"edge to product", edge.address(), "/api/v1/products", "/api/v1/products", 200, true,
         true},
    };
    std::vector<std::future<void>> attackers;
    attackers.reserve(std::size(targets));
    for (const auto& target : targets)
        attackers.push_back(std::async(std::launch::async, [&] { attack_all(target); }));
    for (auto& attacker : attackers) attacker.get();
    expect_rules_of_the_edge(edge, shop);
    EXPECT_TRUE(shop.process().running());
}

}  // namespace

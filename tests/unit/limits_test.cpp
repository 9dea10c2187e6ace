#include "http/limits.hpp"

#include <gtest/gtest.h>

#include "http/dispatcher.hpp"

namespace http {
namespace {

using std::chrono::milliseconds;

std::string header(const Response& response, const std::string& name) {
    for (const auto& [given, value] : response.headers)
        if (given == name) return value;
    return {};
}

class LimitsTest : public testing::Test {
protected:
    void allow(std::vector<std::string> origins, int rps = 0) {
        dispatcher_.emplace("shop", metrics_, log_,
                            Dispatcher::Options{.origins = std::move(origins), .rps = rps});
        const auto ok = [](const Request&) -> Outcome { return Response{.body = "ok"}; };
        dispatcher_->on("GET", "/things", ok);
        dispatcher_->on("POST", "/things", ok);
        dispatcher_->on_operation("/livez", ok);
    }
    Response ask(const std::string& method, const std::string& path, Headers headers = {}) {
        return dispatcher_->dispatch({method, path, std::move(headers), "here"}, {});
    }
    Response preflight(const std::string& origin) {
        return ask("OPTIONS", "/things",
                   {{"Origin", origin}, {"Access-Control-Request-Method", "POST"}});
    }

    Metrics metrics_{"shop"};
    Log log_{"off"};
    std::optional<Dispatcher> dispatcher_;
};

TEST_F(LimitsTest, PagesOfNoOriginMayAskUnlessToldSo) {
    allow({});
    const auto answer = ask("GET", "/things", {{"Origin", "https://shop.example"}});
    EXPECT_EQ(answer.status, 200);
    EXPECT_EQ(header(answer, "Access-Control-Allow-Origin"), "");
    EXPECT_EQ(preflight("https://shop.example").status, 405);
}

TEST_F(LimitsTest, PagesOfAnOriginThatIsNamedMayAsk) {
    allow({"https://shop.example", "https://till.example"});
    const auto before = preflight("https://till.example");
    EXPECT_EQ(before.status, 204);
    EXPECT_EQ(header(before, "Access-Control-Allow-Origin"), "https://till.example");
    EXPECT_EQ(header(before, "Access-Control-Allow-Methods"), "GET, HEAD, POST");
    const auto answer = ask("GET", "/things", {{"Origin", "https://till.example"}});
    EXPECT_EQ(header(answer, "Access-Control-Allow-Origin"), "https://till.example");
    EXPECT_EQ(header(answer, "Access-Control-Expose-Headers"),
              "Location, X-Request-Id, Retry-After");
    EXPECT_EQ(header(answer, "Vary"), "Origin");
    EXPECT_EQ(header(answer, "Access-Control-Allow-Credentials"), "");
    // Problems are for the page to read, too.
    EXPECT_EQ(header(ask("GET", "/no", {{"Origin", "https://till.example"}}),
                     "Access-Control-Allow-Origin"),
              "https://till.example");
}

TEST_F(LimitsTest, PagesOfOtherOriginsMayNot) {
    allow({"https://shop.example"});
    for (const auto* other : {"https://shop.example.evil", "http://shop.example", "null", ""}) {
        EXPECT_EQ(preflight(other).status, 405) << other;
        const auto answer = ask("GET", "/things", {{"Origin", other}});
        EXPECT_EQ(header(answer, "Access-Control-Allow-Origin"), "") << other;
        EXPECT_EQ(header(answer, "Vary"), "Origin") << other;
    }
}

TEST_F(LimitsTest, AnyOriginIsNeverLetInWithCredentials) {
    allow({"*"});
    const auto answer = ask("GET", "/things", {{"Origin", "https://anyone.example"}});
    EXPECT_EQ(header(answer, "Access-Control-Allow-Origin"), "*");
    EXPECT_EQ(header(answer, "Access-Control-Allow-Credentials"), "");
}

TEST_F(LimitsTest, TooManyRequestsAreRefusedButNotOperations) {
    allow({}, 1);
    int refused = 0;
    for (int i = 0; i < 3; ++i) {
        const auto answer = ask("GET", "/things");
        if (answer.status != 429) continue;
        ++refused;
        EXPECT_EQ(header(answer, "Retry-After"), "1");
    }
    EXPECT_GT(refused, 0);
    EXPECT_EQ(ask("GET", "/livez").status, 200);
    EXPECT_EQ(ask("GET", "/livez").status, 200);
}

TEST(RateTest, FillsAgainAndNeverBeyondASecondsWorth) {
    Rate rate{2};
    const auto start = Rate::Clock::now();
    EXPECT_TRUE(rate.takes(start));
    EXPECT_TRUE(rate.takes(start));
    EXPECT_FALSE(rate.takes(start));
    EXPECT_FALSE(rate.takes(start + milliseconds{499}));
    EXPECT_TRUE(rate.takes(start + milliseconds{501}));
    const auto later = start + std::chrono::hours{1};
    EXPECT_TRUE(rate.takes(later));
    EXPECT_TRUE(rate.takes(later));
    EXPECT_FALSE(rate.takes(later));
    Rate any{0};
    for (int i = 0; i < 1000; ++i) EXPECT_TRUE(any.takes(start));
}

}  // namespace
}  // namespace http

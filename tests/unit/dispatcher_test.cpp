#include "http/dispatcher.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <pqxx/except>

namespace http {
namespace {

class DispatcherTest : public testing::Test {
protected:
    DispatcherTest() {
        dispatcher.on("GET", "/things/:id", [](const Request& request) -> Outcome {
            return id_parameter(request, "id").map([](std::int64_t id) {
                return Response{.body = std::to_string(id)};
            });
        });
        dispatcher.on("POST", "/things", [](const Request& request) -> Outcome {
            return Response{.body = request.body};
        });
        dispatcher.on("GET", "/broken", [](const Request&) -> Outcome {
            throw std::runtime_error("password=hunter2");
        });
        dispatcher.on("GET", "/endless", [](const Request& request) -> Outcome {
            return id_query(request, "id").map([](std::int64_t) {
                return Response{.stream = [](const Sink&, const std::stop_token&) -> bool {
                    throw pqxx::broken_connection("host=10.0.0.1");
                }};
            });
        });
        dispatcher.on("GET", "/away", [](const Request&) -> Outcome {
            throw pqxx::broken_connection("host=10.0.0.1");
        });
    }

    Response get(const std::string& path) {
        return dispatcher.dispatch({"GET", path, {}, "here"}, {});
    }

    Response post(const std::string& type) {
        return dispatcher.dispatch({"POST", "/things", {{"content-type", type}}, "here"},
                                   [](std::string& body) -> tl::expected<void, Problem> {
                                       body = "read";
                                       return {};
                                   });
    }

    Metrics metrics{"shop"};
    Log log{"off"};
    Dispatcher dispatcher{"shop", metrics, log};
};

TEST_F(DispatcherTest, GivesAHandlerItsParametersAndItsBody) {
    EXPECT_EQ(get("/things/7/").body, "7");
    EXPECT_EQ(post("application/json").body, "read");
    EXPECT_EQ(post("Application/JSON; charset=utf-8").body, "read");
}

TEST_F(DispatcherTest, AnswersErrorsAsProblemDetailsWithAnErrorString) {
    const auto response = get("/things/x");
    EXPECT_EQ(response.status, 400);
    EXPECT_EQ(response.content_type, "application/problem+json");
    const auto body = nlohmann::json::parse(response.body);
    EXPECT_EQ(body["type"], "about:blank");
    EXPECT_EQ(body["title"], "Bad Request");
    EXPECT_EQ(body["status"], 400);
    EXPECT_EQ(body["instance"], "/things/x");
    EXPECT_EQ(body["field"], "id");
    EXPECT_EQ(body["error"], body["detail"]);
    EXPECT_TRUE(body["error"].get<std::string>().starts_with("id: "));
}

TEST_F(DispatcherTest, RefusesIdsThatAreNoPositiveNumber) {
    for (const auto* id : {"0", "-1", "+1", "1.0", "1e3", "0x1", "9223372036854775808", "%20"}) {
        EXPECT_EQ(get("/things/" + std::string{id}).status, 400) << id;
    }
    EXPECT_EQ(get("/things/9223372036854775807").status, 200);
}

TEST_F(DispatcherTest, ReadsAnIdFromTheQuery) {
    EXPECT_EQ(get("/endless").status, 400);
    Request request{"GET", "/endless", {}, "here"};
    request.query.emplace("id", "0");
    EXPECT_EQ(dispatcher.dispatch(request, {}).status, 400);
    request.query["id"] = "7";
    EXPECT_EQ(dispatcher.dispatch(request, {}).status, 200);
}

TEST_F(DispatcherTest, EndsAStreamThatFails) {
    Request request{"GET", "/endless", {}, "here"};
    request.query.emplace("id", "7");
    const auto response = dispatcher.dispatch(request, {});
    ASSERT_TRUE(response.stream);
    EXPECT_FALSE(response.stream([](std::string_view) { return true; }, {}));
}

TEST_F(DispatcherTest, SaysWhichMethodsAPathHas) {
    const auto response = dispatcher.dispatch({"PUT", "/things", {}, "here"}, {});
    EXPECT_EQ(response.status, 405);
    EXPECT_TRUE(response.close);
    const std::pair<std::string, std::string> allow{"Allow", "POST"};
    EXPECT_NE(std::ranges::find(response.headers, allow), response.headers.end());
    EXPECT_EQ(get("/nothing").status, 404);
}

TEST_F(DispatcherTest, TakesOnlyPlainJsonBodies) {
    for (const auto* type :
         {"", "text/plain", "application/jsonp", "multipart/form-data; boundary=x",
          "application/x-www-form-urlencoded"}) {
        const auto response = post(type);
        EXPECT_EQ(response.status, 415) << type;
        EXPECT_TRUE(response.close);
    }
    const auto zipped =
        dispatcher.dispatch({"POST",
                             "/things",
                             {{"Content-Type", "application/json"}, {"Content-Encoding", "gzip"}},
                             "here"},
                            {});
    EXPECT_EQ(zipped.status, 415);
}

TEST_F(DispatcherTest, NeverShowsTheTextOfAnException) {
    const auto broken = get("/broken");
    EXPECT_EQ(broken.status, 500);
    EXPECT_EQ(broken.body.find("hunter2"), std::string::npos);
    const auto away = get("/away");
    EXPECT_EQ(away.status, 503);
    EXPECT_EQ(away.body.find("10.0.0.1"), std::string::npos);
}

TEST_F(DispatcherTest, KeepsARequestIdThatIsFitToBeWritten) {
    const auto id_of = [&](const std::string& given) {
        const auto response =
            dispatcher.dispatch({"GET", "/nothing", {{"x-request-id", given}}, "here"}, {});
        return nlohmann::json::parse(response.body)["request_id"].get<std::string>();
    };
    EXPECT_EQ(id_of("abc-1"), "abc-1");
    EXPECT_EQ(id_of("a b").size(), 32U);
}

TEST_F(DispatcherTest, AnswersAPathThatIsNoUtf8) { EXPECT_EQ(get("/\xff\xfe").status, 404); }

TEST_F(DispatcherTest, CountsEveryRequestByHandlerMethodAndCode) {
    get("/things/7");
    dispatcher.dispatch({"BREW", "/things/7", {}, "here"}, {});
    const auto text = metrics.text();
    EXPECT_NE(
        text.find(R"(duration_seconds_count{code="200",handler="/things/:id",method="GET"} 1)"),
        std::string::npos)
        << text;
    EXPECT_NE(text.find(R"({code="405",handler="none",method="other"} 1)"), std::string::npos)
        << text;
}

}  // namespace
}  // namespace http

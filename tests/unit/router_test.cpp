#include "http/router.hpp"

#include <gtest/gtest.h>

namespace http {
namespace {

Router router() {
    Router routes;
    const auto handler = [](const Request&) -> Outcome { return Response{}; };
    routes.add("GET", "/api/v1/orders/:id", handler);
    routes.add("POST", "/api/v1/purchases", handler);
    routes.add("DELETE", "/api/v1/orders/:id", handler);
    return routes;
}

TEST(Router, FindsARouteAndItsParametersWithAndWithoutATrailingSlash) {
    const auto routes = router();
    for (const auto* path : {"/api/v1/orders/42", "/api/v1/orders/42/"}) {
        const auto match = routes.find("GET", path);
        ASSERT_NE(match.route, nullptr) << path;
        EXPECT_EQ(match.route->pattern, "/api/v1/orders/:id");
        EXPECT_EQ(match.parameters.at("id"), "42");
    }
}

TEST(Router, ServesHeadByGet) {
    EXPECT_NE(router().find("HEAD", "/api/v1/orders/42").route, nullptr);
}

TEST(Router, NamesTheMethodsOfAPathThatHasOthers) {
    const auto match = router().find("PUT", "/api/v1/orders/42");
    EXPECT_EQ(match.route, nullptr);
    EXPECT_EQ(match.allow, "GET, HEAD, DELETE");
}

TEST(Router, FindsNothingForOtherPaths) {
    for (const auto* path :
         {"", "/", "//", "/api/v1/orders", "/api/v1/orders/42/x", "/API/v1/orders/42"}) {
        const auto match = router().find("GET", path);
        EXPECT_EQ(match.route, nullptr) << path;
        EXPECT_EQ(match.allow, "") << path;
    }
}

}  // namespace
}  // namespace http

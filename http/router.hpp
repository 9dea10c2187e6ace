// Which handler serves a method and a path.
//
//   router.add("GET", "/api/v1/orders/:id", handler);   // :id becomes parameters["id"]
//
// A trailing slash makes no difference; HEAD is served by GET. Routes are added before the first
// look-up, look-ups are thread-safe.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "http/message.hpp"

namespace http {

struct Route {
    std::string method, pattern;
    std::vector<std::string> segments;
    Handler handler;
};

struct Match {
    const Route* route = nullptr;  // null when nothing fits
    std::map<std::string, std::string> parameters{};
    std::string allow{};  // without a route: the methods that the path does have
};

class Router {
public:
    void add(std::string method, std::string pattern, Handler handler);
    Match find(std::string_view method, std::string_view path) const;
    std::vector<std::string> routes() const;  // "GET /api/v1/orders/:id", …

private:
    std::vector<Route> routes_;
};

}  // namespace http

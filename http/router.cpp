#include "http/router.hpp"

#include <optional>
#include <ranges>

namespace http {
namespace {

std::vector<std::string> split(std::string_view path) {
    if (path.starts_with('/')) path.remove_prefix(1);
    if (path.ends_with('/')) path.remove_suffix(1);
    std::vector<std::string> segments;
    for (const auto part : path | std::views::split('/'))
        segments.emplace_back(part.begin(), part.end());
    return segments;
}

std::optional<std::map<std::string, std::string>> fit(const Route& route,
                                                      const std::vector<std::string>& path) {
    if (route.segments.size() != path.size()) return std::nullopt;
    std::map<std::string, std::string> parameters;
    for (const auto& [wanted, given] : std::views::zip(route.segments, path)) {
        if (wanted.starts_with(':')) {
            parameters.emplace(wanted.substr(1), given);
        } else if (wanted != given) {
            return std::nullopt;
        }
    }
    return parameters;
}

}  // namespace

void Router::add(std::string method, std::string pattern, Handler handler) {
    auto segments = split(pattern);
    routes_.push_back(
        {std::move(method), std::move(pattern), std::move(segments), std::move(handler)});
}

Match Router::find(std::string_view method, std::string_view path) const {
    const auto wanted = method == "HEAD" ? std::string_view{"GET"} : method;
    const auto segments = split(path);
    std::string allow;
    for (const auto& route : routes_) {
        auto parameters = fit(route, segments);
        if (!parameters) continue;
        if (route.method == wanted) return {&route, std::move(*parameters)};
        allow +=
            (allow.empty() ? "" : ", ") + route.method + (route.method == "GET" ? ", HEAD" : "");
    }
    return {nullptr, {}, std::move(allow)};
}

std::vector<std::string> Router::routes() const {
    std::vector<std::string> names;
    names.reserve(routes_.size());
    for (const auto& route : routes_) names.push_back(route.method + " " + route.pattern);
    return names;
}

}  // namespace http

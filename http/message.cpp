#include "http/message.hpp"

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>

namespace http {
namespace {

std::string_view title(int status) {
    switch (status) {
        case 400:
            return "Bad Request";
        case 401:
            return "Unauthorized";
        case 403:
            return "Forbidden";
        case 404:
            return "Not Found";
        case 405:
            return "Method Not Allowed";
        case 408:
            return "Request Timeout";
        case 409:
            return "Conflict";
        case 413:
            return "Content Too Large";
        case 414:
            return "URI Too Long";
        case 415:
            return "Unsupported Media Type";
        case 416:
            return "Range Not Satisfiable";
        case 422:
            return "Unprocessable Content";
        case 429:
            return "Too Many Requests";
        case 500:
            return "Internal Server Error";
        case 503:
            return "Service Unavailable";
        default:
            return "Error";
    }
}

tl::expected<std::int64_t, Problem> parse_id(std::string_view text, const std::string& name) {
    std::int64_t id = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), id);
    if (error != std::errc{} || end != text.data() + text.size() || id < 1) {
        return tl::unexpected(
            Problem{400, "must be a whole number from 1 to 9223372036854775807", name});
    }
    return id;
}

}  // namespace

bool IgnoringCase::operator()(std::string_view left, std::string_view right) const {
    const auto lower = [](unsigned char c) { return c >= 'A' && c <= 'Z' ? c | 0x20 : c; };
    return std::ranges::lexicographical_compare(left, right, {}, lower, lower);
}

std::string_view Request::header(std::string_view name) const {
    const auto found = headers.find(std::string{name});
    return found == headers.end() ? std::string_view{} : std::string_view{found->second};
}

Problem to_problem(const domain::Refusal& refusal) {
    using Reason = domain::Refusal::Reason;
    const auto status = [&] {
        switch (refusal.reason) {
            case Reason::invalid:
                return 400;
            case Reason::unknown:
                return 404;
            case Reason::conflict:
                return 409;
            case Reason::reused_key:
                return 422;
            case Reason::unauthenticated:
                return 401;
            case Reason::forbidden:
                return 403;
            case Reason::too_often:
                return 429;
            case Reason::busy:
                return 503;
        }
        return 500;
    }();
    Problem problem{status, refusal.detail, refusal.field};
    if (refusal.retry_after.count() > 0)
        problem.headers.emplace_back("Retry-After", std::to_string(refusal.retry_after.count()));
    return problem;
}

Response render(const Problem& problem, const Request& request) {
    const auto detail =
        problem.field.empty() ? problem.detail : problem.field + ": " + problem.detail;
    nlohmann::json body{{"type", "about:blank"},    {"title", title(problem.status)},
                        {"status", problem.status}, {"detail", detail},
                        {"instance", request.path}, {"request_id", request.id},
                        {"error", detail}};
    if (!problem.field.empty()) body["field"] = problem.field;
    // The path is the client's bytes: what is no UTF-8 is replaced.
    return {problem.status, body.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace),
            "application/problem+json", problem.headers, problem.close};
}

tl::expected<std::int64_t, Problem> id_parameter(const Request& request, const std::string& name) {
    return parse_id(request.parameters.at(name), name);
}

tl::expected<std::int64_t, Problem> id_query(const Request& request, const std::string& name) {
    const auto found = request.query.find(name);
    if (found == request.query.end())
        return tl::unexpected(Problem{400, "is required in the query", name});
    return parse_id(found->second, name);
}

}  // namespace http

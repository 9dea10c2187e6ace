// Requests and answers, as handlers see them: values without a socket.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>
#include <vector>

#include "domain/ids.hpp"
#include "domain/refusal.hpp"
#include "domain/trace.hpp"

namespace http {

struct IgnoringCase {
    bool operator()(std::string_view left, std::string_view right) const;
};
using Headers = std::map<std::string, std::string, IgnoringCase>;

struct Request {
    std::string method, path;
    Headers headers;
    std::string remote;
    std::string body{};
    std::map<std::string, std::string> parameters{};  // of the route: {"id", "42"}
    std::map<std::string, std::string> query{};  // ?size=10: {"size", "10"}; the first of a name
    std::string id{};                            // for logs and answers
    domain::Trace trace{};

    std::string_view header(std::string_view name) const;  // empty when it is missing
};

// Sends some of a body; false once the client is gone, or too slow for the server's write_timeout.
using Sink = std::function<bool(std::string_view)>;

// A body that comes bit by bit: called until it returns false. It holds its connection's thread all
// the while, so whoever hands such bodies out bounds their number. It may wait for what comes next,
// but not once stop is requested, which is when the server stops: then it says its last word, and
// returns false.
using Stream = std::function<bool(const Sink& sink, const std::stop_token& stop)>;

struct Response {
    int status = 200;
    std::string body{};
    std::string content_type = "application/json";
    std::vector<std::pair<std::string, std::string>> headers{};
    bool close = false;  // the connection cannot be used on: part of the request was not read
    Stream stream{};     // instead of body; the end of the connection is its end
};

// An error answer before it is written: becomes RFC 9457 problem details.
struct Problem {
    int status;
    std::string detail;
    std::string field{};  // the part of the request that is meant
    std::vector<std::pair<std::string, std::string>> headers{};
    bool close = false;
};

using Outcome = tl::expected<Response, Problem>;
using Handler = std::function<Outcome(const Request&)>;

// Who sends a request, by its bearer token; 401 when there is none, or none that counts.
using Authenticate = std::function<tl::expected<domain::CustomerId, Problem>(const Request&)>;

Problem to_problem(const domain::Refusal& refusal);

// application/problem+json with type, title, status, detail and instance, the string "error" for
// clients of older services, the request's id, and the field when there is one.
Response render(const Problem& problem, const Request& request);

// A path parameter as an id: 1 … 2^63-1 in plain decimal digits.
tl::expected<std::int64_t, Problem> id_parameter(const Request& request, const std::string& name);

// The same of a query parameter, which may be missing: a problem, too.
tl::expected<std::int64_t, Problem> id_query(const Request& request, const std::string& name);

}  // namespace http

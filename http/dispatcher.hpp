// From a request to its answer: finds the route, reads the body, calls the handler, renders
// problems, and leaves one log line, one observation and one span for each request. An exception
// becomes a 503 (the database is away or overloaded) or a 500, and its text goes to the log only.
//
// Routes are added before the first dispatch; dispatch is thread-safe.
#pragma once

#include <functional>
#include <string>

#include "http/log.hpp"
#include "http/message.hpp"
#include "http/router.hpp"
#include "http/work.hpp"

namespace http {

class Dispatcher {
public:
    Dispatcher(std::string service, const Watch& watch, Log& log);

    void on(std::string method, std::string pattern, Handler handler);

    // Reads the body into its argument; called at most once, and only for a request that may have
    // one.
    using ReadBody = std::function<tl::expected<void, Problem>(std::string&)>;
    Response dispatch(Request request, const ReadBody& read_body);

    // Answers a request that is refused before any route is looked for.
    Response refuse(Request request, const Problem& problem);

private:
    tracing::Span begin_span(const Request& request, const std::string& handler) const;
    Outcome serve(const Match& match, Request& request, const ReadBody& read_body);
    Stream guarded(Stream stream, const std::string& request_id);
    Response finish(const Request& request, Response response, const std::string& handler,
                    tracing::Span& span, std::chrono::steady_clock::time_point since);

    std::string service_;
    const Watch watch_;
    Log& log_;
    Router router_;
};

}  // namespace http

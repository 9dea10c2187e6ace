// From a request to its answer: finds the route, reads the body, calls the handler, renders
// problems, and leaves one log line, one observation and one span for each request. An exception
// becomes a 503 (the database is away or overloaded) or a 500, and its text goes to the log only.
//
// Routes are added before the first dispatch; dispatch is thread-safe.
#pragma once

#include <chrono>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "http/limits.hpp"
#include "http/log.hpp"
#include "http/message.hpp"
#include "http/router.hpp"
#include "http/work.hpp"

namespace http {

class Dispatcher {
public:
    struct Options {
        std::vector<std::string> origins = {};    // of pages that may ask: see Cors
        int rps = 0;                              // requests a second; 0: any
        std::chrono::milliseconds timeout{5000};  // for the work of a request; 503 when it is over
    };

    Dispatcher(std::string service, const Watch& watch, Log& log)
        : Dispatcher(std::move(service), watch, log, Options{}) {}
    Dispatcher(std::string service, const Watch& watch, Log& log, Options options);

    // Of the service itself, for those who run it: GET, neither counted against rps nor logged when
    // it went well.
    void on_operation(std::string pattern, Handler handler);

    void on(std::string method, std::string pattern, Handler handler);
    std::vector<std::string> routes() const { return router_.routes(); }

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
    Cors cors_;
    Rate rate_;
    const std::chrono::milliseconds timeout_;
    std::set<std::string> operations_;  // patterns
};

}  // namespace http

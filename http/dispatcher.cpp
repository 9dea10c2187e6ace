#include "http/dispatcher.hpp"

#include <pqxx/except>

#include "domain/deadline.hpp"
#include "domain/pool.hpp"
#include "domain/transact.hpp"
#include "faults.hpp"

namespace http {
namespace {

using Clock = std::chrono::steady_clock;

constexpr auto unrouted = "none";  // the handler of what has no route, in metrics and logs

bool has_body(const Request& request) {
    return request.method == "POST" || request.method == "PUT" || request.method == "PATCH";
}

bool is_json(std::string_view content_type) {
    const auto media_type = content_type.substr(0, content_type.find_first_of("; \t"));
    const IgnoringCase less;
    return !less(media_type, "application/json") && !less("application/json", media_type);
}

// Only names that we know become labels: clients must not be able to make series.
std::string method_label(const std::string& method) {
    for (const auto* known : {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}) {
        if (method == known) return method;
    }
    return "other";
}

// The database is there, but cannot do it now: time-outs, a standby, no room or no sessions left.
bool is_overload(const std::exception& error) {
    const auto* failed = dynamic_cast<const pqxx::sql_error*>(&error);
    if (failed == nullptr) return false;
    const auto& state = failed->sqlstate();
    return state.starts_with("53") || state == "57014" || state == "55P03" || state == "25006";
}

Problem to_problem(const std::exception& error) {
    const bool overloaded = dynamic_cast<const domain::PoolExhausted*>(&error) != nullptr;
    if (!overloaded && !is_overload(error) && !domain::is_connection_loss(error)) {
        if (faults::mutant("tells_exceptions")) return {500, error.what()};
        return {500, "something went wrong here; the log has it under this request_id"};
    }
    return {503,
            "the database is away or overloaded; the outcome may be unknown: repeat the request, "
            "with the same "
            "Idempotency-Key if it changes something",
            {},
            {{"Retry-After", "1"}}};
}

void name(Request& request, const tracing::Span& span) {
    const auto own = span.traceparent();
    request.trace = domain::continue_trace(own.empty() ? request.header("traceparent") : own,
                                           request.header("correlation-id"),
                                           span ? span.tracestate() : request.header("tracestate"));
    const auto given = request.header("X-Request-Id");
    request.id =
        domain::is_token(given) ? std::string{given} : std::string{request.trace.trace_id()};
}

}  // namespace

Dispatcher::Dispatcher(std::string service, const Watch& watch, Log& log, Options options)
    : service_(std::move(service)),
      watch_(watch),
      log_(log),
      cors_(std::move(options.origins)),
      rate_(options.rps),
      timeout_(options.timeout) {}

void Dispatcher::on_operation(std::string pattern, Handler handler) {
    operations_.insert(pattern);
    on("GET", std::move(pattern), std::move(handler));
}

void Dispatcher::on(std::string method, std::string pattern, Handler handler) {
    router_.add(std::move(method), std::move(pattern), std::move(handler));
}

// Whoever only looks after the process is not traced.
tracing::Span Dispatcher::begin_span(const Request& request, const std::string& handler) const {
    if (handler == "/livez" || handler == "/readyz" || handler == "/metrics") return {};
    const auto method = method_label(request.method);
    const bool routed = handler != unrouted;
    auto span = watch_.tracer.start({.name = routed ? method + ' ' + handler : method,
                                     .kind = tracing::Kind::server,
                                     .traceparent = request.header("traceparent"),
                                     .tracestate = request.header("tracestate")});
    span.set("http.request.method", method);
    if (routed) span.set("http.route", handler);
    span.set("url.path", request.path);
    span.set("client.address", request.remote);
    return span;
}

Outcome Dispatcher::serve(const Match& match, Request& request, const ReadBody& read_body) {
    // An answer given before the body is read leaves the rest of it in the connection.
    const bool unread = has_body(request);
    const bool is_operation = match.route != nullptr && operations_.contains(match.route->pattern);
    if (!is_operation && !rate_.takes()) {
        return tl::unexpected(
            Problem{429, "too many requests: try again", {}, {{"Retry-After", "1"}}, unread});
    }
    if (match.route == nullptr && !match.allow.empty() && cors_.is_preflight(request))
        return Cors::preflight(match.allow);
    if (match.route == nullptr && match.allow.empty()) {
        return tl::unexpected(Problem{404, "there is nothing here", {}, {}, unread});
    }
    if (match.route == nullptr) {
        return tl::unexpected(
            Problem{405, "use one of: " + match.allow, {}, {{"Allow", match.allow}}, unread});
    }
    if (has_body(request)) {
        if (!is_json(request.header("Content-Type")) ||
            !request.header("Content-Encoding").empty()) {
            return tl::unexpected(
                Problem{415, "send application/json, not encoded", "Content-Type", {}, unread});
        }
        if (const auto read = read_body(request.body); !read) return tl::unexpected(read.error());
    }
    const domain::Deadline deadline{timeout_};
    return match.route->handler(request);
}

Response Dispatcher::dispatch(Request request, const ReadBody& read_body) {
    const auto since = Clock::now();
    auto match = router_.find(request.method, request.path);
    request.parameters = std::move(match.parameters);
    const auto handler = match.route == nullptr ? std::string{unrouted} : match.route->pattern;
    Work work{watch_, handler, begin_span(request, handler)};
    name(request, work.span());
    auto& inflight = watch_.metrics.inflight(handler, method_label(request.method));
    inflight.Increment();
    Outcome outcome;
    try {
        outcome = serve(match, request, read_body);
    } catch (const std::exception& error) {
        log_.error("request failed",
                   {{"service", service_}, {"request_id", request.id}, {"error", error.what()}});
        outcome = tl::unexpected(to_problem(error));
    }
    inflight.Decrement();
    return finish(request, outcome ? std::move(*outcome) : render(outcome.error(), request),
                  handler, work.span(), since);
}

Response Dispatcher::refuse(Request request, const Problem& problem) {
    tracing::Span none;
    name(request, none);
    return finish(request, render(problem, request), unrouted, none, Clock::now());
}

// Its status is sent already: an exception can only end it.
Stream Dispatcher::guarded(Stream stream, const std::string& request_id) {
    return [this, stream = std::move(stream), request_id](const Sink& sink,
                                                          const std::stop_token& stop) {
        try {
            return stream(sink, stop);
        } catch (const std::exception& error) {
            log_.error(
                "stream failed",
                {{"service", service_}, {"request_id", request_id}, {"error", error.what()}});
            return false;
        }
    };
}

Response Dispatcher::finish(const Request& request, Response response, const std::string& handler,
                            tracing::Span& span, Clock::time_point since) {
    const auto took = Clock::now() - since;
    span.set("http.response.status_code", response.status);
    if (response.status >= 500) span.fail("HTTP " + std::to_string(response.status));
    if (span) response.headers.emplace_back("traceresponse", span.traceparent());
    watch_.metrics.observe(
        {handler, method_label(request.method), response.status, took, response.body.size()});
    cors_.mark(request, response);
    const auto is_quiet = operations_.contains(handler) && response.status == 200;
    if (!is_quiet) {
        log_.info("request", {{"service", service_},
                              {"request_id", request.id},
                              {"trace_id", request.trace.trace_id()},
                              {"correlation_id", request.trace.correlation_id},
                              {"method", request.method},
                              {"path", request.path},
                              {"handler", handler},
                              {"status", response.status},
                              {"bytes", response.body.size()},
                              {"ms", std::chrono::duration<double, std::milli>(took).count()},
                              {"remote", request.remote}});
    }
    if (response.stream) response.stream = guarded(std::move(response.stream), request.id);
    response.headers.insert(response.headers.end(), {{"X-Request-Id", request.id},
                                                     {"Cache-Control", "no-store"},
                                                     {"X-Content-Type-Options", "nosniff"}});
    return response;
}

}  // namespace http

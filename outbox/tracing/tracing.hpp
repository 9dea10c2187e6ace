// Spans of OpenTelemetry, for whoever writes, carries and applies events: services and the relay.
//
//   const tracing::Tracer tracer{{.endpoint = "http://127.0.0.1:4318", .service = "order"}};
//   auto span = tracer.start({.name = "GET /orders/:id", .kind = tracing::Kind::server,
//                             .traceparent = request_header});
//   span.set("http.response.status_code", 200);   // ends when it goes
//
// A thread of each tracer's own sends them by OTLP/HTTP; what a bounded queue does not hold, or no
// collector takes, is dropped, and nobody waits. A tracer is thread-safe; a span is not.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace tracing {

enum class Kind { internal, server, client, producer, consumer };

// One that nobody records is empty, and every call to it does nothing.
class Span {
public:
    Span();
    ~Span();  // ends it
    Span(Span&&) noexcept;
    Span& operator=(Span&&) noexcept;

    explicit operator bool() const { return recorded_ != nullptr; }
    std::string traceparent() const;  // W3C's, for those who go on from here; empty when this is
    std::string tracestate() const;   // or when nobody has said anything
    void set(std::string_view name, std::string_view value);
    void set(std::string_view name, std::int64_t value);
    void fail(std::string_view why);
    void end();

private:
    friend class Tracer;
    struct Recorded;
    std::unique_ptr<Recorded> recorded_;
};

struct Start {
    std::string_view name{};
    Kind kind = Kind::internal;
    const Span* parent = nullptr;  // of this process; an empty one makes this one so
    std::string_view traceparent{}, tracestate{};  // or of another; malformed: a trace of its own
    std::optional<std::chrono::system_clock::time_point> began{};  // now, by default
    const Span* link = nullptr;
};

struct Options {
    std::string
        endpoint{};  // http://HOST:4318; empty: off. OTEL_EXPORTER_OTLP_HEADERS … count, too
    std::string service{};
    std::string instance{};
    std::function<void(const std::string&)> log{};  // failures, once a minute in the process
};

class Tracer {
public:
    // Connects to nothing yet, and never throws for an endpoint that is away.
    explicit Tracer(const Options& options);
    ~Tracer();  // sends what is queued, for three seconds at most
    Tracer(const Tracer&) = delete;
    Tracer& operator=(const Tracer&) = delete;

    static const Tracer& off();

    // Empty when tracing is off, or when who came before is not sampled.
    Span start(const Start& start) const;

private:
    struct Exporter;
    std::unique_ptr<Exporter> exporter_;
};

// Whether it is a traceparent of a trace that is recorded.
bool is_sampled(std::string_view traceparent);
// Whether it is a tracestate that says something.
bool is_tracestate(std::string_view text);

}  // namespace tracing

// What a thread is doing, an HTTP request or an event: its span, and whose metrics it counts for.
// What it appends and whom it asks meanwhile is measured and traced under that.
//
//   Work work{watch, request_handler, watch.tracer.start({.name = "GET /api/v1/orders/:id", …})};
//   Work::current()->child("auth.AuthService/Auth", tracing::Kind::client);
//
// Of one thread, which may have several, one inside the other.
#pragma once

#include <outbox/consumer.hpp>
#include <outbox/tracing/tracing.hpp>
#include <string>
#include <string_view>

#include "http/metrics.hpp"

namespace http {

// Who watches over one service.
struct Watch {
    Watch(Metrics& counts, const tracing::Tracer& spans = tracing::Tracer::off())
        : metrics(counts), tracer(spans) {}
    Metrics& metrics;
    const tracing::Tracer& tracer;
};

class Work {
public:
    Work(const Watch& watch, std::string handler, tracing::Span span);
    ~Work();
    Work(const Work&) = delete;
    Work& operator=(const Work&) = delete;

    static Work* current();  // this thread's; null: none

    const Watch& watch() const { return watch_; }
    const std::string& handler() const { return handler_; }
    tracing::Span& span() { return span_; }
    tracing::Span child(std::string_view name, tracing::Kind kind) const;

private:
    Watch watch_;
    std::string handler_;
    tracing::Span span_;
    Work* outer_;
};

// What goes around every handler of events: each event is counted, timed and traced
// (event.CreateOrder), and what the handler makes of it goes on from that span.
outbox::Around watch_events(const Watch& watch, const std::string& consumer);

// From now on every append of this process is timed, for the work of its thread, and traced, under
// the span that the event comes with.
void watch_appends();

}  // namespace http

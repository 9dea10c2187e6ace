#include "http/work.hpp"

#include <chrono>
#include <outbox/append.hpp>
#include <span>
#include <utility>
#include <vector>

namespace http {
namespace {

using Clock = std::chrono::steady_clock;
using tracing::Kind;

thread_local Work* innermost = nullptr;

// The orchestrator's handlers are known by what they do.
std::string handler_of(const std::string& type) {
    if (type == "CreatePurchase") return "StartTransaction";
    return type == "Reply" ? "HandleReply" : type;
}

void describe(tracing::Span& span, const outbox::Message& message) {
    span.set("messaging.system", "kafka");
    span.set("messaging.operation.type", "process");
    span.set("messaging.destination.name", message.topic);
    span.set("messaging.destination.partition.id", std::to_string(message.partition));
    span.set("messaging.kafka.offset", message.offset);
    span.set("messaging.kafka.message.key", message.key);
    span.set("messaging.message.id", message.id.to_string());
}

std::string_view header(const outbox::Message& message, const char* name) {
    const auto found = message.headers.find(name);
    return found == message.headers.end() ? std::string_view{} : std::string_view{found->second};
}

std::vector<tracing::Span> begin_appends(const Work& work, std::span<outbox::Event> events) {
    std::vector<tracing::Span> spans;
    spans.reserve(events.size());
    for (auto& event : events) {
        auto span = work.child("event." + event.type, Kind::producer);
        if (span) {
            span.set("messaging.system", "postroom");
            span.set("messaging.operation.type", "create");
            span.set("messaging.destination.name", event.aggregate_type);
            span.set("messaging.message.id", event.id.value().to_string());
            event.headers["traceparent"] = span.traceparent();
        }
        spans.push_back(std::move(span));
    }
    return spans;
}

// Runs, and tells how long it took and whether it went well, whatever that was.
template <class Run, class Tell>
void timed(const Run& run, const Tell& tell) {
    const auto since = Clock::now();
    try {
        run();
    } catch (...) {
        tell(false, Clock::now() - since);
        throw;
    }
    tell(true, Clock::now() - since);
}

}  // namespace

Work::Work(const Watch& watch, std::string handler, tracing::Span span)
    : watch_(watch),
      handler_(std::move(handler)),
      span_(std::move(span)),
      outer_(std::exchange(innermost, this)) {}

Work::~Work() { innermost = outer_; }

Work* Work::current() { return innermost; }

tracing::Span Work::child(std::string_view name, Kind kind) const {
    return watch_.tracer.start({.name = name, .kind = kind, .parent = &span_});
}

outbox::Handler watched(const Watch& watch, const std::string& consumer, const std::string& type,
                        outbox::Handler handler) {
    return [watch, consumer, name = handler_of(type), handler = std::move(handler)](
               pqxx::transaction_base& tx, const outbox::Message& message) {
        Work work{watch, name,
                  watch.tracer.start({.name = "event." + name,
                                      .kind = Kind::consumer,
                                      .traceparent = header(message, "traceparent"),
                                      .tracestate = header(message, "tracestate")})};
        auto handled = message;
        if (work.span()) {
            describe(work.span(), message);
            handled.headers["traceparent"] = work.span().traceparent();
        }
        timed([&] { handler(tx, handled); },
              [&](bool success, Clock::duration took) {
                  watch.metrics.handled(name, consumer, success, took);
                  if (!success) work.span().fail("the handler failed");
              });
    };
}

void watch_appends() {
    outbox::around_append([](std::span<outbox::Event> events, const std::function<void()>& append) {
        auto* const work = Work::current();
        if (work == nullptr) return append();
        auto spans = begin_appends(*work, events);
        timed(append, [&](bool success, Clock::duration took) {
            work->watch().metrics.published(work->handler(), success, took);
            if (success) return;
            for (auto& span : spans) span.fail("the append failed");
        });
    });
}

}  // namespace http

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

std::string_view header(const std::map<std::string, std::string>& headers, const char* name) {
    const auto found = headers.find(name);
    return found == headers.end() ? std::string_view{} : std::string_view{found->second};
}

tracing::Span begin_event(const tracing::Tracer& tracer, const outbox::Message& message) {
    auto span = tracer.start({.name = "event." + handler_of(message.type),
                              .kind = Kind::consumer,
                              .traceparent = header(message.headers, "traceparent"),
                              .tracestate = header(message.headers, "tracestate")});
    if (!span) return span;
    span.set("messaging.system", "kafka");
    span.set("messaging.operation.type", "process");
    span.set("messaging.destination.name", message.topic);
    span.set("messaging.destination.partition.id", std::to_string(message.partition));
    span.set("messaging.kafka.offset", message.offset);
    span.set("messaging.kafka.message.key", message.key);
    span.set("messaging.message.id", message.id.to_string());
    return span;
}

std::vector<tracing::Span> begin_appends(const tracing::Tracer& tracer,
                                         std::span<outbox::Event> events) {
    std::vector<tracing::Span> spans;
    spans.reserve(events.size());
    for (auto& event : events) {
        const auto under = header(event.headers, "traceparent");
        auto span = under.empty()
                        ? tracing::Span{}
                        : tracer.start({.name = "event." + event.type,
                                        .kind = Kind::producer,
                                        .traceparent = under,
                                        .tracestate = header(event.headers, "tracestate")});
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

outbox::Around watch_events(const Watch& watch, const std::string& consumer) {
    return [watch, consumer](outbox::Messages messages, const outbox::Handle& handle) {
        std::vector<tracing::Span> spans;
        std::vector<outbox::Message> traced;  // with the spans' traceparent
        for (const auto* message : messages) {
            auto span = begin_event(watch.tracer, *message);
            if (!span) continue;
            traced.push_back(*message);
            traced.back().headers["traceparent"] = span.traceparent();
            spans.push_back(std::move(span));
        }
        std::vector<const outbox::Message*> all{messages.begin(), messages.end()};
        auto next = traced.begin();
        for (auto& message : all)
            if (next != traced.end() && next->id == message->id) message = &*next++;
        const Work work{watch, handler_of(messages.front()->type), {}};
        timed([&] { handle(all); },
              [&](bool success, Clock::duration took) {
                  for (const auto* message : messages) {
                      watch.metrics.handled(handler_of(message->type), consumer, success,
                                            took / messages.size());
                  }
                  for (auto& span : spans)
                      if (!success) span.fail("the handler failed");
              });
    };
}

void watch_appends() {
    outbox::around_append([](std::span<outbox::Event> events, const std::function<void()>& append) {
        auto* const work = Work::current();
        if (work == nullptr) return append();
        auto spans = begin_appends(work->watch().tracer, events);
        timed(append, [&](bool success, Clock::duration took) {
            work->watch().metrics.published(work->handler(), success, took);
            if (success) return;
            for (auto& span : spans) span.fail("the append failed");
        });
    });
}

}  // namespace http

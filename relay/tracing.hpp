// Spans of what happens to an event between its writer and Kafka, by OpenTelemetry.
//
// An event whose headers carry a sampled W3C traceparent gets two: "outbox wait", from its append
// to its hand-over, under the writer's span; and under that "publish TOPIC", until Kafka has
// acknowledged it, which the consumer's span continues. One that was delayed or retried has waited
// on purpose, and gets the latter only. A span "publish batch", a trace of its own, is what the
// publish spans of one batch link to. Anything else is published as it is.
//
// A thread of the exporter's own sends them; what a bounded queue does not hold, or no collector
// takes, is dropped, and nobody waits. Not thread-safe: the publishing thread calls.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "outbox/tracing/tracing.hpp"
#include "relay/batch.hpp"

namespace relay {

// For as long as it lives, this process traces. One at a time.
class Tracing {
public:
    // Exports to this OTLP/HTTP endpoint, http://HOST:4318; OTEL_EXPORTER_OTLP_HEADERS and the like
    // count as well. Connects to nothing yet, and never throws for an endpoint that is away.
    Tracing(const std::string& endpoint, const std::string& instance);
    ~Tracing();
    Tracing(const Tracing&) = delete;
    Tracing& operator=(const Tracing&) = delete;

    // Off, there is none, and nothing below may be called.
    static Tracing* active() { return running; }

    // The row is about to be handed to Kafka: the traceparent that it leaves with, unless the given
    // one is invalid or not sampled. The same once more when a full queue makes it try again.
    std::optional<std::string> hand_over(const Row& row, const std::string& topic,
                                         std::string_view traceparent, std::string_view tracestate);
    // The spans of a row that is neither end as failed, with its batch.
    void acknowledged(const Row& row, std::int32_t partition, std::int64_t offset);
    void refused(const Row& row, const std::string& error);

private:
    tracing::Span begin_batch(const Batch& batch) const;
    // Over already; what the publish span goes under.
    tracing::Span wait(const Row& row, const std::string& topic, tracing::Start start) const;
    tracing::Span begin_publish(const Row& row, const std::string& topic, tracing::Start start,
                                const tracing::Span& batch) const;

    tracing::Tracer tracer_;
    static inline Tracing* running = nullptr;
};

}  // namespace relay

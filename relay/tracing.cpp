#include "relay/tracing.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <unordered_map>
#include <utility>

namespace relay {
namespace {

using tracing::Kind;
using tracing::Span;

// PostgreSQL counts from 2000; its clock may be ahead of ours.
std::chrono::system_clock::time_point append_time(const Row& row) {
    constexpr auto epoch = std::chrono::sys_days{std::chrono::year{2000} / 1 / 1};
    return std::min<std::chrono::system_clock::time_point>(
        epoch + std::chrono::microseconds{row.created_at.value()},
        std::chrono::system_clock::now());
}

void describe(Span& span, const Row& row, const std::string& topic) {
    span.set("messaging.system", "kafka");
    span.set("messaging.destination.name", topic);
    span.set("messaging.message.id", to_string(row.id));
    span.set("postroom.event.type", row.type);
}

// The spans of one batch, which owns it: what is open when it goes has failed.
struct BatchTrace {
    struct Publication {
        Span span;
        std::string traceparent;
    };
    ~BatchTrace() {
        for (auto& [row, publication] : open)
            publication.span.fail("Kafka has not acknowledged it");
    }
    Span span;
    std::unordered_map<const Row*, Publication> open;
};

BatchTrace* trace_of(const Row& row) { return static_cast<BatchTrace*>(row.batch->trace.get()); }

}  // namespace

Tracing::Tracing(const std::string& endpoint, const std::string& instance)
    : tracer_{{.endpoint = endpoint,
               .service = "postroom",
               .instance = instance,
               .log = [](const std::string& line) { spdlog::warn("{}", line); }}} {
    running = this;
}

Tracing::~Tracing() { running = nullptr; }

Span Tracing::begin_batch(const Batch& batch) const {
    auto span = tracer_.start({.name = "publish batch", .kind = Kind::client});
    span.set("messaging.system", "kafka");
    span.set("messaging.operation.type", "send");
    span.set("messaging.batch.message_count", static_cast<std::int64_t>(batch.rows.size()));
    return span;
}

Span Tracing::wait(const Row& row, const std::string& topic, tracing::Start start) const {
    start.name = "outbox wait";
    start.began = append_time(row);
    auto span = tracer_.start(start);
    describe(span, row, topic);
    span.end();
    return span;
}

Span Tracing::begin_publish(const Row& row, const std::string& topic, tracing::Start start,
                            const Span& batch) const {
    const auto name = "publish " + topic;
    start.name = name;
    start.kind = Kind::producer;
    start.link = &batch;
    auto span = tracer_.start(start);
    describe(span, row, topic);
    span.set("messaging.operation.name", "publish");
    span.set("messaging.operation.type", "send");
    return span;
}

std::optional<std::string> Tracing::hand_over(const Row& row, const std::string& topic,
                                              std::string_view traceparent,
                                              std::string_view tracestate) {
    if (!tracing::is_sampled(traceparent)) return std::nullopt;
    if (!row.batch->trace) {
        const auto made = std::make_shared<BatchTrace>();
        made->span = begin_batch(*row.batch);
        row.batch->trace = made;
    }
    auto& trace = *trace_of(row);
    const auto known = trace.open.find(&row);
    if (known != trace.open.end()) return known->second.traceparent;
    const tracing::Start writer{.name = {}, .traceparent = traceparent, .tracestate = tracestate};
    const bool waited = !row.batch->errand && row.created_at;
    const auto wait = waited ? this->wait(row, topic, writer) : Span{};
    const auto parent = waited ? tracing::Start{.name = {}, .parent = &wait} : writer;
    auto span = begin_publish(row, topic, parent, trace.span);
    auto left_with = span.traceparent();
    trace.open.emplace(&row, BatchTrace::Publication{std::move(span), left_with});
    return left_with;
}

void Tracing::acknowledged(const Row& row, std::int32_t partition, std::int64_t offset) {
    if (trace_of(row) == nullptr) return;
    auto node = trace_of(row)->open.extract(&row);
    if (node.empty()) return;
    auto& span = node.mapped().span;
    span.set("messaging.destination.partition.id", std::to_string(partition));
    span.set("messaging.kafka.offset", offset);
}

void Tracing::refused(const Row& row, const std::string& error) {
    if (trace_of(row) == nullptr) return;
    auto node = trace_of(row)->open.extract(&row);
    if (!node.empty()) node.mapped().span.fail(error);
}

}  // namespace relay

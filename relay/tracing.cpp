#include "relay/tracing.hpp"

#include <opentelemetry/context/context.h>
#include <opentelemetry/exporters/otlp/otlp_http_exporter_factory.h>
#include <opentelemetry/exporters/otlp/otlp_http_exporter_options.h>
#include <opentelemetry/sdk/common/global_log_handler.h>
#include <opentelemetry/sdk/resource/resource.h>
#include <opentelemetry/sdk/trace/batch_span_processor_factory.h>
#include <opentelemetry/sdk/trace/batch_span_processor_options.h>
#include <opentelemetry/sdk/trace/simple_processor_factory.h>
#include <opentelemetry/sdk/trace/tracer_provider.h>
#include <opentelemetry/sdk/trace/tracer_provider_factory.h>
#include <opentelemetry/trace/propagation/http_trace_context.h>
#include <opentelemetry/trace/span_startoptions.h>
#include <opentelemetry/trace/tracer.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <unordered_map>
#include <utility>

#include "faults.hpp"

namespace relay {
namespace {

namespace otel = opentelemetry;
namespace sdk = opentelemetry::sdk;
using namespace std::chrono_literals;
using Span = otel::nostd::shared_ptr<otel::trace::Span>;

otel::nostd::string_view view(std::string_view text) { return {text.data(), text.size()}; }

// Of W3C's two headers.
class Carrier : public otel::context::propagation::TextMapCarrier {
public:
    otel::nostd::string_view Get(otel::nostd::string_view name) const noexcept override {
        if (name == otel::trace::propagation::kTraceParent) return view(parent);
        return name == otel::trace::propagation::kTraceState ? view(state) : "";
    }
    void Set(otel::nostd::string_view name, otel::nostd::string_view value) noexcept override {
        if (name == otel::trace::propagation::kTraceParent) parent = {value.data(), value.size()};
    }
    std::string parent, state;
};

otel::trace::SpanContext writers_context(std::string_view traceparent,
                                         std::string_view tracestate) {
    Carrier carrier;
    carrier.parent = traceparent;
    carrier.state = tracestate;
    otel::context::Context none;
    const auto context = otel::trace::propagation::HttpTraceContext{}.Extract(carrier, none);
    return otel::trace::GetSpan(context)->GetContext();
}

std::string traceparent_of(const Span& span) {
    Carrier carrier;
    otel::context::Context none;
    otel::trace::propagation::HttpTraceContext{}.Inject(carrier, otel::trace::SetSpan(none, span));
    return carrier.parent;
}

// PostgreSQL counts from 2000; its clock may be ahead of ours.
std::chrono::system_clock::time_point append_time(const Row& row,
                                                  std::chrono::system_clock::time_point now) {
    constexpr auto epoch = std::chrono::sys_days{std::chrono::year{2000} / 1 / 1};
    return std::min<std::chrono::system_clock::time_point>(
        epoch + std::chrono::microseconds{row.created_at.value()}, now);
}

void describe(const Span& span, const Row& row, const std::string& topic) {
    span->SetAttribute("messaging.system", "kafka");
    span->SetAttribute("messaging.destination.name", view(topic));
    span->SetAttribute("messaging.message.id", view(to_string(row.id)));
    span->SetAttribute("postroom.event.type", view(row.type));
}

// What fails again and again is told once a minute.
class Log : public sdk::common::internal_log::LogHandler {
public:
    void Handle(sdk::common::internal_log::LogLevel level, const char*, int, const char* message,
                const sdk::common::AttributeMap&) noexcept override {
        const auto now = std::chrono::steady_clock::now().time_since_epoch().count();
        auto last = last_.load();
        const bool due = now - last > std::chrono::nanoseconds{1min}.count();
        if (level == sdk::common::internal_log::LogLevel::Error && due &&
            last_.compare_exchange_strong(last, now))
            spdlog::warn("tracing: {}; spans are dropped", message != nullptr ? message : "");
    }

private:
    std::atomic<std::chrono::steady_clock::rep> last_{-std::chrono::nanoseconds{1h}.count()};
};

// The spans of one batch, which owns it: what is open when it goes has failed.
struct BatchTrace {
    struct Publication {
        Span span;
        std::string traceparent;
    };
    ~BatchTrace() {
        for (const auto& [row, publication] : open)
            publication.span->SetStatus(otel::trace::StatusCode::kError,
                                        "Kafka has not acknowledged it");
    }
    Span span;
    std::unordered_map<const Row*, Publication> open;
};

BatchTrace* trace_of(const Row& row) { return static_cast<BatchTrace*>(row.batch->trace.get()); }

}  // namespace

struct Tracing::Exporter {
    std::unique_ptr<sdk::trace::TracerProvider> provider;
    otel::nostd::shared_ptr<otel::trace::Tracer> tracer;

    Span begin_batch(const Batch& batch) const {
        otel::trace::StartSpanOptions options;
        options.kind = otel::trace::SpanKind::kClient;
        auto span = tracer->StartSpan("publish batch", options);
        span->SetAttribute("messaging.system", "kafka");
        span->SetAttribute("messaging.operation.type", "send");
        span->SetAttribute("messaging.batch.message_count",
                           static_cast<std::int64_t>(batch.rows.size()));
        return span;
    }
    // Over already; its context is what the publish span goes under.
    otel::trace::SpanContext wait(const Row& row, const std::string& topic,
                                  const otel::trace::SpanContext& writer) const {
        const auto now = std::chrono::system_clock::now();
        const auto steady = std::chrono::steady_clock::now();
        const auto appended = append_time(row, now);
        otel::trace::StartSpanOptions options;
        options.parent = writer;
        options.start_system_time = appended;
        options.start_steady_time =
            std::chrono::steady_clock::time_point{steady - (now - appended)};
        const auto span = tracer->StartSpan("outbox wait", options);
        describe(span, row, topic);
        otel::trace::EndSpanOptions end;
        end.end_steady_time = steady;
        span->End(end);
        return span->GetContext();
    }
    Span begin_publish(const Row& row, const std::string& topic,
                       const otel::trace::SpanContext& parent, const Span& batch) const {
        otel::trace::StartSpanOptions options;
        options.parent = parent;
        options.kind = otel::trace::SpanKind::kProducer;
        auto span =
            tracer->StartSpan(view("publish " + topic), {}, {{batch->GetContext(), {}}}, options);
        describe(span, row, topic);
        span->SetAttribute("messaging.operation.name", "publish");
        span->SetAttribute("messaging.operation.type", "send");
        return span;
    }
};

Tracing::Tracing(const std::string& endpoint, const std::string& instance)
    : exporter_{std::make_unique<Exporter>()} {
    sdk::common::internal_log::GlobalLogHandler::SetLogHandler(
        otel::nostd::shared_ptr<sdk::common::internal_log::LogHandler>{new Log});
    otel::exporter::otlp::OtlpHttpExporterOptions to;
    to.url = endpoint + (endpoint.ends_with('/') ? "" : "/") + "v1/traces";
    to.timeout = 3s;
    const sdk::trace::BatchSpanProcessorOptions queue{
        .max_queue_size = 8192, .schedule_delay_millis = 1000ms, .max_export_batch_size = 2048};
    auto exporter = otel::exporter::otlp::OtlpHttpExporterFactory::Create(to);
    exporter_->provider = sdk::trace::TracerProviderFactory::Create(
        faults::mutant("traced_in_line")
            ? sdk::trace::SimpleSpanProcessorFactory::Create(std::move(exporter))
            : sdk::trace::BatchSpanProcessorFactory::Create(std::move(exporter), queue),
        sdk::resource::Resource::Create(
            {{"service.name", "postroom"}, {"service.instance.id", instance}}));
    exporter_->tracer = exporter_->provider->GetTracer("postroom");
    running = this;
}

Tracing::~Tracing() {
    running = nullptr;
    exporter_->tracer = {};
    static_cast<void>(exporter_->provider->Shutdown());
}

std::optional<std::string> Tracing::hand_over(const Row& row, const std::string& topic,
                                              std::string_view traceparent,
                                              std::string_view tracestate) {
    const auto writer = writers_context(traceparent, tracestate);
    if (!writer.IsValid() || !writer.IsSampled()) return std::nullopt;
    if (!row.batch->trace) {
        const auto made = std::make_shared<BatchTrace>();
        made->span = exporter_->begin_batch(*row.batch);
        row.batch->trace = made;
    }
    auto& trace = *trace_of(row);
    const auto known = trace.open.find(&row);
    if (known != trace.open.end()) return known->second.traceparent;
    const auto parent =
        row.batch->errand || !row.created_at ? writer : exporter_->wait(row, topic, writer);
    auto span = exporter_->begin_publish(row, topic, parent, trace.span);
    auto left_with = traceparent_of(span);
    trace.open.emplace(&row, BatchTrace::Publication{std::move(span), left_with});
    return left_with;
}

void Tracing::acknowledged(const Row& row, std::int32_t partition, std::int64_t offset) {
    if (trace_of(row) == nullptr) return;
    auto node = trace_of(row)->open.extract(&row);
    if (node.empty()) return;
    auto& span = *node.mapped().span;
    span.SetAttribute("messaging.destination.partition.id", view(std::to_string(partition)));
    span.SetAttribute("messaging.kafka.offset", offset);
    span.End();
}

void Tracing::refused(const Row& row, const std::string& error) {
    if (trace_of(row) == nullptr) return;
    const auto node = trace_of(row)->open.extract(&row);
    if (node.empty()) return;
    node.mapped().span->SetStatus(otel::trace::StatusCode::kError, view(error));
    node.mapped().span->End();
}

}  // namespace relay

#include "outbox/tracing/tracing.hpp"

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
#include <opentelemetry/trace/trace_state.h>
#include <opentelemetry/trace/tracer.h>

#include <array>
#include <atomic>
#include <utility>

#include "faults.hpp"

namespace tracing {
namespace {

namespace otel = opentelemetry;
namespace sdk = opentelemetry::sdk;
using namespace std::chrono_literals;

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

otel::trace::SpanContext context_of(std::string_view traceparent, std::string_view tracestate) {
    Carrier carrier;
    carrier.parent = traceparent;
    carrier.state = tracestate;
    otel::context::Context none;
    const auto context = otel::trace::propagation::HttpTraceContext{}.Extract(carrier, none);
    return otel::trace::GetSpan(context)->GetContext();
}

// What fails again and again is told once a minute.
class Log : public sdk::common::internal_log::LogHandler {
public:
    explicit Log(std::function<void(const std::string&)> tell) : tell_{std::move(tell)} {}
    void Handle(sdk::common::internal_log::LogLevel level, const char*, int, const char* message,
                const sdk::common::AttributeMap&) noexcept override {
        const auto now = std::chrono::steady_clock::now().time_since_epoch().count();
        auto last = last_.load();
        const bool due = now - last > std::chrono::nanoseconds{1min}.count();
        if (level == sdk::common::internal_log::LogLevel::Error && due &&
            last_.compare_exchange_strong(last, now))
            tell_("tracing: " + std::string{message != nullptr ? message : ""} +
                  "; spans are dropped");
    }

private:
    std::function<void(const std::string&)> tell_;
    std::atomic<std::chrono::steady_clock::rep> last_{-std::chrono::nanoseconds{1h}.count()};
};

otel::trace::SpanKind kind_of(Kind kind) {
    constexpr std::array kinds{otel::trace::SpanKind::kInternal, otel::trace::SpanKind::kServer,
                               otel::trace::SpanKind::kClient, otel::trace::SpanKind::kProducer,
                               otel::trace::SpanKind::kConsumer};
    return kinds.at(static_cast<std::size_t>(std::to_underlying(kind)));
}

}  // namespace

struct Span::Recorded {
    otel::nostd::shared_ptr<otel::trace::Span> span;
};

Span::Span() = default;
Span::~Span() = default;
Span::Span(Span&&) noexcept = default;
Span& Span::operator=(Span&&) noexcept = default;

std::string Span::traceparent() const {
    if (!recorded_) return {};
    Carrier carrier;
    otel::context::Context none;
    otel::trace::propagation::HttpTraceContext{}.Inject(
        carrier, otel::trace::SetSpan(none, recorded_->span));
    return carrier.parent;
}

std::string Span::tracestate() const {
    return recorded_ ? recorded_->span->GetContext().trace_state()->ToHeader() : std::string{};
}

void Span::set(std::string_view name, std::string_view value) {
    if (recorded_) recorded_->span->SetAttribute(view(name), view(value));
}

void Span::set(std::string_view name, std::int64_t value) {
    if (recorded_) recorded_->span->SetAttribute(view(name), value);
}

void Span::fail(std::string_view why) {
    if (recorded_) recorded_->span->SetStatus(otel::trace::StatusCode::kError, view(why));
}

void Span::end() {
    if (recorded_) recorded_->span->End();
}

struct Tracer::Exporter {
    std::unique_ptr<sdk::trace::TracerProvider> provider;
    otel::nostd::shared_ptr<otel::trace::Tracer> tracer;
};

Tracer::Tracer(const Options& options) {
    if (options.endpoint.empty()) return;
    if (options.log) {
        sdk::common::internal_log::GlobalLogHandler::SetLogHandler(
            otel::nostd::shared_ptr<sdk::common::internal_log::LogHandler>{new Log{options.log}});
    }
    otel::exporter::otlp::OtlpHttpExporterOptions to;
    to.url = options.endpoint + (options.endpoint.ends_with('/') ? "" : "/") + "v1/traces";
    to.timeout = 3s;
    const sdk::trace::BatchSpanProcessorOptions queue{
        .max_queue_size = 8192, .schedule_delay_millis = 1000ms, .max_export_batch_size = 2048};
    auto exporter = otel::exporter::otlp::OtlpHttpExporterFactory::Create(to);
    sdk::resource::ResourceAttributes resource{{"service.name", options.service}};
    if (!options.instance.empty()) resource["service.instance.id"] = options.instance;
    exporter_ = std::make_unique<Exporter>();
    exporter_->provider = sdk::trace::TracerProviderFactory::Create(
        faults::mutant("traced_in_line")
            ? sdk::trace::SimpleSpanProcessorFactory::Create(std::move(exporter))
            : sdk::trace::BatchSpanProcessorFactory::Create(std::move(exporter), queue),
        sdk::resource::Resource::Create(resource));
    exporter_->tracer = exporter_->provider->GetTracer("postroom");
}

Tracer::~Tracer() {
    if (!exporter_) return;
    exporter_->tracer = {};
    static_cast<void>(exporter_->provider->Shutdown());
}

const Tracer& Tracer::off() {
    static const Tracer tracer{{}};
    return tracer;
}

Span Tracer::start(const Start& start) const {
    if (!exporter_ || (start.parent != nullptr && !*start.parent)) return {};
    otel::trace::StartSpanOptions options;
    options.kind = kind_of(start.kind);
    const auto parent = start.parent != nullptr ? start.parent->recorded_->span->GetContext()
                                                : context_of(start.traceparent, start.tracestate);
    if (parent.IsValid()) {
        if (!parent.IsSampled()) return {};
        options.parent = parent;
    }
    if (start.began) {
        options.start_system_time = *start.began;
        options.start_steady_time = std::chrono::steady_clock::time_point{
            std::chrono::steady_clock::now() - (std::chrono::system_clock::now() - *start.began)};
    }
    Span span;
    span.recorded_ = std::make_unique<Span::Recorded>();
    span.recorded_->span =
        start.link != nullptr && *start.link
            ? exporter_->tracer->StartSpan(
                  view(start.name), {}, {{start.link->recorded_->span->GetContext(), {}}}, options)
            : exporter_->tracer->StartSpan(view(start.name), options);
    return span;
}

bool is_sampled(std::string_view traceparent) {
    const auto context = context_of(traceparent, {});
    return context.IsValid() && context.IsSampled();
}

bool is_tracestate(std::string_view text) {
    return !otel::trace::TraceState::FromHeader(view(text))->Empty();
}

}  // namespace tracing

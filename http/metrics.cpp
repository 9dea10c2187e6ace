#include "http/metrics.hpp"

#include <prometheus/text_serializer.h>

namespace http {
namespace {

const prometheus::Histogram::BucketBoundaries seconds{0.001, 0.0025, 0.005, 0.01, 0.025, 0.05,
                                                      0.1,   0.25,   0.5,   1,    2.5,   5};
const char* truth(bool value) { return value ? "true" : "false"; }

const prometheus::Histogram::BucketBoundaries bytes{100, 1'000, 10'000, 100'000, 1'000'000};

Metrics::Samples labelled(const std::string& label, Metrics::Counts counts) {
    return [label, counts = std::move(counts)] {
        std::vector<Metrics::Sample> samples;
        for (const auto& [value, count] : counts()) samples.push_back({{{label, value}}, count});
        return samples;
    };
}

}  // namespace

Metrics::Metrics(const std::string& service)
    : service_(service),
      duration_(prometheus::BuildHistogram()
                    .Name(service + "_http_request_duration_seconds")
                    .Help("Time from a request's headers to its answer")
                    .Register(registry_)),
      inflight_(prometheus::BuildGauge()
                    .Name(service + "_http_requests_inflight")
                    .Help("Requests being handled now")
                    .Register(registry_)),
      size_(prometheus::BuildHistogram()
                .Name(service + "_http_response_size_bytes")
                .Help("Size of the answers' bodies")
                .Register(registry_)),
      received_(prometheus::BuildCounter()
                    .Name(service + "_pubsub_subscriber_messages_received_total")
                    .Help("Events that came to a handler, each time")
                    .Register(registry_)),
      handling_(prometheus::BuildHistogram()
                    .Name(service + "_pubsub_handler_execution_time_seconds")
                    .Help("Time that a handler of events took")
                    .Register(registry_)),
      publishing_(prometheus::BuildHistogram()
                      .Name(service + "_pubsub_publish_time_seconds")
                      .Help("Time that an append to the outbox took")
                      .Register(registry_)) {}

prometheus::Gauge& Metrics::inflight(const std::string& handler, const std::string& method) {
    return inflight_.Add({{"code", ""}, {"handler", handler}, {"method", method}});
}

void Metrics::observe(const Observation& seen) {
    duration_
        .Add({{"code", std::to_string(seen.code)},
              {"handler", seen.handler},
              {"method", seen.method}},
             seconds)
        .Observe(std::chrono::duration<double>(seen.duration).count());
    size_.Add({{"handler", seen.handler}}, bytes).Observe(static_cast<double>(seen.bytes));
}

void Metrics::handled(const std::string& handler, const std::string& subscriber, bool success,
                      std::chrono::nanoseconds took) {
    received_
        .Add({{"acked", success ? "acked" : "nacked"},
              {"handler_name", handler},
              {"subscriber_name", subscriber}})
        .Increment();
    handling_.Add({{"handler_name", handler}, {"success", truth(success)}}, seconds)
        .Observe(std::chrono::duration<double>(took).count());
}

void Metrics::published(const std::string& handler, bool success, std::chrono::nanoseconds took) {
    publishing_
        .Add({{"handler_name", handler}, {"publisher_name", "outbox"}, {"success", truth(success)}},
             seconds)
        .Observe(std::chrono::duration<double>(took).count());
}

void Metrics::add_counter(const std::string& name, const std::string& help,
                          const std::string& label, Counts counts) {
    readings_.push_back({prometheus::MetricType::Counter, service_ + "_" + name, help,
                         labelled(label, std::move(counts))});
}

void Metrics::add_gauge(const std::string& name, const std::string& help, const std::string& label,
                        Counts counts) {
    add_gauge(name, help, labelled(label, std::move(counts)));
}

void Metrics::add_gauge(const std::string& name, const std::string& help, Samples samples) {
    readings_.push_back(
        {prometheus::MetricType::Gauge, service_ + "_" + name, help, std::move(samples)});
}

std::string Metrics::text() const {
    auto families = registry_.Collect();
    for (const auto& reading : readings_) {
        prometheus::MetricFamily family{reading.name, reading.help, reading.type, {}};
        for (const auto& sample : reading.samples()) {
            prometheus::ClientMetric metric;
            for (const auto& [name, value] : sample.labels) metric.label.push_back({name, value});
            metric.counter.value = sample.value;
            metric.gauge.value = sample.value;
            family.metric.push_back(std::move(metric));
        }
        families.push_back(std::move(family));
    }
    return prometheus::TextSerializer{}.Serialize(families);
}

}  // namespace http

// What Prometheus reads from one service: every HTTP request, and counts that others keep.
// Thread-safe.
//
//   SERVICE_http_request_duration_seconds{code,handler,method}  histogram
//   SERVICE_http_requests_inflight{code,handler,method}         gauge; code is "", as there is none
//   SERVICE_http_response_size_bytes{handler}                   histogram
//   SERVICE_pubsub_subscriber_messages_received_total{acked,handler_name,subscriber_name}
//   SERVICE_pubsub_handler_execution_time_seconds{handler_name,success}           histogram
//   SERVICE_pubsub_publish_time_seconds{handler_name,publisher_name,success}      histogram
#pragma once

#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <chrono>
#include <functional>
#include <map>
#include <string>
#include <vector>

namespace http {

class Metrics {
public:
    explicit Metrics(const std::string& service);

    struct Observation {
        std::string handler, method;
        int code;
        std::chrono::nanoseconds duration;
        std::size_t bytes;
    };
    prometheus::Gauge& inflight(const std::string& handler, const std::string& method);
    void observe(const Observation& observation);

    // A handler of events has run, or an append has.
    void handled(const std::string& handler, const std::string& subscriber, bool success,
                 std::chrono::nanoseconds took);
    void published(const std::string& handler, bool success, std::chrono::nanoseconds took);

    // Counts, read at each scrape: SERVICE_NAME{kind}. Added before the first scrape. A counter
    // only grows; a gauge does not.
    using Counts = std::function<std::map<std::string, double>()>;
    void add_counter(const std::string& name, const std::string& help, const std::string& label,
                     Counts counts);
    void add_gauge(const std::string& name, const std::string& help, const std::string& label,
                   Counts counts);

    // The same with several labels.
    struct Sample {
        std::map<std::string, std::string> labels;
        double value;
    };
    using Samples = std::function<std::vector<Sample>()>;
    void add_gauge(const std::string& name, const std::string& help, Samples samples);

    // The text exposition format, version 0.0.4.
    std::string text() const;

private:
    struct Reading {
        prometheus::MetricType type;
        std::string name, help;
        Samples samples;
    };

    std::string service_;
    prometheus::Registry registry_;
    prometheus::Family<prometheus::Histogram>& duration_;
    prometheus::Family<prometheus::Gauge>& inflight_;
    prometheus::Family<prometheus::Histogram>& size_;
    prometheus::Family<prometheus::Counter>& received_;
    prometheus::Family<prometheus::Histogram>& handling_;
    prometheus::Family<prometheus::Histogram>& publishing_;
    std::vector<Reading> readings_;
};

}  // namespace http

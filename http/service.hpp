// One service at work: its database pool, its consumer in a thread of its own, its HTTP listener
// with /livez, /readyz and /metrics.
//
//   Service service{options, log};
//   order::add_routes(service.dispatcher(), …);  order::subscribe(service.consumer());
//   service.start();  …  service.drain();  service.stop();
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <outbox/consumer.hpp>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "domain/pool.hpp"
#include "http/config.hpp"
#include "http/dispatcher.hpp"
#include "http/server.hpp"

namespace http {

// The service cannot start; the message says what to do.
struct StartError : std::runtime_error {
    using std::runtime_error::runtime_error;
};

// What a service runs beside HTTP, such as a gRPC port; started, drained and stopped with it.
class Companion {
public:
    virtual ~Companion() = default;
    virtual void start() = 0;
    virtual void drain() = 0;
    virtual void stop() = 0;
};

class Service {
public:
    struct Options {
        ServiceConfig service;
        std::string consumer;  // Kafka group and inbox name
        std::string brokers;
        std::map<std::string, std::string> kafka{};  // librdkafka's own properties; these win
        std::vector<std::string> topics;             // none: it consumes nothing
        std::size_t connections;
        std::chrono::seconds start_timeout;
        std::string otlp_endpoint;         // of an OpenTelemetry collector; empty: no tracing
        Dispatcher::Options dispatcher;    // its timeout is that of statements, too
        std::string proxy{};               // as ServerOptions have it
        bool shows_metrics = true;         // at /metrics of its own port
        std::function<void()> on_failure;  // consumer or listener ended by itself; from any thread
    };

    // Waits for the database, at most start_timeout, and for no migration. Throws StartError.
    Service(Options options, Log& log);

    domain::Pool& pool() { return pool_; }
    Dispatcher& dispatcher() { return dispatcher_; }
    Metrics& metrics() { return metrics_; }
    const tracing::Tracer& tracer() const { return tracer_; }
    outbox::Consumer& consumer() { return consumer_.value(); }  // only with topics

    void attach(std::shared_ptr<Companion> companion);  // before start

    void start();  // throws std::runtime_error when it cannot listen
    void drain();  // from now on /readyz says 503
    void stop();   // finishes requests and the consumer's batch, then returns

private:
    void add_operations();
    void consume(const std::stop_token& stop);
    Outcome readiness();

    const Options options_;
    Log& log_;
    domain::Pool pool_;
    Metrics metrics_;
    tracing::Tracer tracer_;
    Dispatcher dispatcher_;
    std::optional<outbox::Consumer> consumer_;
    std::atomic<bool> draining_ = false;
    std::vector<std::shared_ptr<Companion>> companions_;
    std::unique_ptr<Server> server_;
    std::jthread consuming_;
};

}  // namespace http

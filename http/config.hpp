// The shop's configuration: defaults < environment < flags, read once.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "domain/account/options.hpp"
#include "domain/token.hpp"
#include "http/cache_config.hpp"
#include "http/grpc_security.hpp"
#include "http/orchestrator/orchestrator_config.hpp"

namespace http {

struct ServiceConfig {
    std::string name;  // account, product, …: consumer group, inbox name, metrics prefix
    std::string dsn;
    std::string listen;
    int rps = 0;  // 0: any
    std::chrono::seconds request_timeout{5};
};
constexpr int most_rps = 1'000'000;
constexpr int longest_request_s = 3600;

struct StripeConfig {
    std::string url;  // empty: payment keeps the books itself
    std::string key, webhook_secret;
    std::string payment_method;  // with which every customer pays
};

struct Config {
    std::vector<ServiceConfig> services;  // those to serve
    // Of every service that speaks gRPC: where it listens if it is served here, and is to be found
    // if not.
    std::map<std::string, std::string> grpc;
    bool grpc_reflection = false;
    GrpcSecurity grpc_security{};
    bool grpc_without_token = false;  // anyone may call: told so on purpose
    domain::token::Options token;
    domain::account::Options account;
    std::string brokers;
    std::map<std::string, std::string> kafka{};  // librdkafka's own properties, secrets among them
    std::string topic;                           // as the relays have it, {aggregatetype} and all
    std::string group_prefix;  // before the service's name: its Kafka group and inbox name
    std::string log_level;
    std::string otlp_endpoint{};  // empty: no tracing
    std::optional<std::uint16_t> machine;
    std::size_t connections;                  // to each service's database, besides the consumer's
    std::vector<std::string> origins{};       // of web pages that may ask: see Cors
    int rps = 0;                              // of each service that has none of its own
    std::chrono::seconds request_timeout{5};  // likewise
    std::string proxy{};                      // in front of the services: see ServerOptions
    std::string metrics_listen{};  // of all services here; empty: at their own, on loopback
    std::chrono::seconds start_timeout;
    OrchestratorConfig orchestrator;
    CacheConfig cache;
    StripeConfig stripe;
    std::chrono::seconds drain;  // between /readyz turning 503 and the last accepted connection
    std::chrono::days keep{30};  // ended sagas, and what became of purchases
    std::chrono::seconds payment_overdue{3600};  // from when on a waiting payment is a person's
    bool open_catalogue = false;                 // every customer may change products
};

// Parses the command line, of a shop that can serve what is named. Prints help or what is wrong,
// and exits, when there is nothing to run.
Config read_config(int argc, char** argv, const std::vector<std::string>& servable);

std::string topic_of(const Config& config, std::string_view aggregate_type);

}  // namespace http

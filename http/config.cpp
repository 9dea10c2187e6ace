#include "http/config.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <cstdlib>
#include <map>

#include "http/auth_config.hpp"
#include "http/cache_flags.hpp"
#include "http/fallbacks.hpp"
#include "http/first_line.hpp"
#include "http/kafka_properties.hpp"
#include "http/orchestrator/orchestrator_flags.hpp"
#include "http/service_flags.hpp"

namespace http {
namespace {

struct Seconds {
    long start_timeout, drain, payment_overdue, request_timeout;
};

// What clients may do.
void add_edge(CLI::App& serve, Config& config, Seconds& seconds) {
    serve
        .add_option("--cors-origins", config.origins,
                    "of web pages that may ask, https://host,… or *; none: browsers let no other "
                    "page read an answer")
        ->envname("SHOP_CORS_ORIGINS")
        ->delimiter(',');
    serve
        .add_option(
            "--rps", config.rps,
            "requests a second that each service takes, more get a 429; 0: any; --SERVICE-rps "
            "for one of them. Or the environment has it, as SERVICE_OPTIONS_RPS")
        ->envname("SHOP_RPS")
        ->check(CLI::Range(0, most_rps))
        ->capture_default_str();
    serve
        .add_option("--request-timeout-s", seconds.request_timeout,
                    "for the work of a request, and for each of its statements; then it gets a "
                    "503; --SERVICE-request-timeout-s for one of them. Or the environment has it, "
                    "as SERVICE_OPTIONS_TIMEOUT_SECOND")
        ->envname("SHOP_REQUEST_TIMEOUT_S")
        ->check(CLI::Range(1, longest_request_s))
        ->capture_default_str();
    serve
        .add_option("--trusted-proxy", config.proxy,
                    "the address of the proxy in front, which says who asks by X-Forwarded-For")
        ->envname("SHOP_TRUSTED_PROXY");
    serve
        .add_option(
            "--metrics-listen", config.metrics_listen,
            "where /metrics of every service here is, host:port; by default at the ports of "
            "those that listen on loopback. Or the environment has it, as PROM_PORT")
        ->envname("SHOP_METRICS_LISTEN");
}

void add_shared(CLI::App& serve, Config& config, Seconds& seconds) {
    serve.add_option("--kafka-brokers", config.brokers, "bootstrap servers, host:port,…")
        ->envname("SHOP_KAFKA_BROKERS")
        ->capture_default_str();
    const std::string properties = "--kafka-properties-file";
    serve
        .add_option_function<std::string>(
            properties,
            [&config, properties](const std::string& path) {
                config.kafka = kafka_properties(properties, path);
            },
            "a file of librdkafka's properties, NAME = VALUE a line: TLS, SASL and its password")
        ->envname("SHOP_KAFKA_PROPERTIES_FILE");
    serve
        .add_option("--kafka-topic", config.topic,
                    "of events of the type {aggregatetype}: the relays' kafka.topic")
        ->envname("SHOP_KAFKA_TOPIC")
        ->capture_default_str();
    serve
        .add_option("--consumer-group-prefix", config.group_prefix,
                    "put before a service's name to name its Kafka group and its inbox consumer")
        ->envname("SHOP_CONSUMER_GROUP_PREFIX");
    serve.add_option("--log-level", config.log_level, "debug, info, warn, error or off")
        ->envname("SHOP_LOG_LEVEL")
        ->check(CLI::IsMember({"debug", "info", "warn", "error", "off"}))
        ->capture_default_str();
    serve
        .add_option("--tracing-otlp-endpoint", config.otlp_endpoint,
                    "OTLP/HTTP collector to send spans to, http://HOST:4318; empty is off")
        ->envname("OTEL_EXPORTER_OTLP_ENDPOINT")
        ->check([](const std::string& url) {
            return url.empty() || url.starts_with("http://") || url.starts_with("https://")
                       ? ""
                       : "must begin with http:// or https://";
        });
    serve
        .add_option("--machine-id", config.machine,
                    "0-65535, this process's own among all that make ids; by default the database "
                    "leases one out")
        ->envname("SHOP_MACHINE_ID");
    serve.add_option("--db-connections", config.connections, "to each service's database")
        ->envname("SHOP_DB_CONNECTIONS")
        ->check(CLI::Range(1, 1000))
        ->capture_default_str();
    serve
        .add_option("--start-timeout-s", seconds.start_timeout,
                    "how long to wait for the databases at the start")
        ->envname("SHOP_START_TIMEOUT_S")
        ->check(CLI::Range(0, 3600))
        ->capture_default_str();
    serve
        .add_option("--drain-s", seconds.drain,
                    "after SIGTERM, how long /readyz says 503 before connections are refused; a "
                    "second SIGTERM cuts it short")
        ->envname("SHOP_DRAIN_S")
        ->check(CLI::Range(0, 600))
        ->capture_default_str();
}

void add_business(CLI::App& serve, Config& config, Seconds& seconds) {
    serve
        .add_option_function<int>(
            "--keep-days", [&config](int days) { config.keep = std::chrono::days{days}; },
            "how long a saga is kept when it has ended, and each change of a purchase; longer than "
            "the inbox remembers")
        ->envname("SHOP_KEEP_DAYS")
        ->check(CLI::Range(2, 36'500))
        ->default_str(std::to_string(config.keep.count()));
    serve
        .add_option("--payment-overdue-s", seconds.payment_overdue,
                    "for how long a payment may wait for its provider before it counts as overdue, "
                    "in a metric and the log")
        ->envname("SHOP_PAYMENT_OVERDUE_S")
        ->check(CLI::Range(1, 31'536'000))
        ->capture_default_str();
    serve
        .add_flag("--open-catalogue", config.open_catalogue,
                  "let every customer make and change products and categories, not merchants alone")
        ->envname("SHOP_OPEN_CATALOGUE");
}

struct StripeFiles {
    std::string key, webhook_secret;
};

void add_stripe(CLI::App& serve, StripeConfig& stripe, StripeFiles& files) {
    auto* url = serve
                    .add_option("--stripe-url", stripe.url,
                                "take payments by Stripe, or who speaks its API: "
                                "https://api.stripe.com; else payment keeps the books itself")
                    ->envname("SHOP_STRIPE_URL");
    auto* key = serve.add_option("--stripe-key-file", files.key, "a file with the secret key")
                    ->envname("SHOP_STRIPE_KEY_FILE");
    auto* secret = serve
                       .add_option("--stripe-webhook-secret-file", files.webhook_secret,
                                   "a file with the webhook's signing secret")
                       ->envname("SHOP_STRIPE_WEBHOOK_SECRET_FILE");
    serve
        .add_option("--stripe-payment-method", stripe.payment_method,
                    "with which every customer pays, until customers have their own")
        ->envname("SHOP_STRIPE_PAYMENT_METHOD")
        ->capture_default_str();
    url->needs(key)->needs(secret);
}

Config defaults() {
    return {
        .services = {},
        .grpc = {},
        .grpc_reflection = false,
        .token = {},
        .account = {},
        .brokers = "127.0.0.1:9092",
        .topic = "outbox.event.{aggregatetype}",
        .group_prefix = "",
        .log_level = "info",
        .otlp_endpoint = "",
        .machine = std::nullopt,
        .connections = 16,
        .start_timeout = std::chrono::seconds{30},
        .orchestrator = {},
        .cache = {},
        .stripe = {.url = "", .key = "", .webhook_secret = "", .payment_method = "pm_card_visa"},
        .drain = std::chrono::seconds{0}};
}

}  // namespace

std::string topic_of(const Config& config, std::string_view aggregate_type) {
    constexpr std::string_view placeholder = "{aggregatetype}";
    auto topic = config.topic;
    if (const auto at = topic.find(placeholder); at != std::string::npos)
        topic.replace(at, placeholder.size(), aggregate_type);
    return topic;
}

Config read_config(int argc, char** argv, const std::vector<std::string>& servable) {
    CLI::App app{"The shop's services, one or several in a process"};
    app.require_subcommand(1);
    auto& serve = *app.add_subcommand(
        "serve", "Serve HTTP and consume events until SIGTERM, which finishes what has begun");
    auto config = defaults();
    StripeFiles stripe;
    std::vector<std::string> names;
    Seconds seconds{config.start_timeout.count(), config.drain.count(),
                    config.payment_overdue.count(), config.request_timeout.count()};

    auto choices = servable;
    choices.emplace_back("all");
    serve.add_option("service", names, "which to serve")
        ->required()
        ->envname("APP")
        ->check(CLI::IsMember(choices));
    const ServiceFlags services{serve, config, servable};
    add_shared(serve, config, seconds);
    add_edge(serve, config, seconds);
    add_business(serve, config, seconds);
    AuthFlags auth{serve, config};
    OrchestratorFlags orchestrator{serve, config.orchestrator};
    CacheFlags cache{serve, config.cache};
    add_stripe(serve, config.stripe, stripe);
    adopt_fallbacks(argc, argv, servable);
    try {
        app.parse(argc, argv);
        refuse_what_was_ignored(serve);
        auth.read(config);
        orchestrator.read();
        cache.read();
        if (!config.stripe.url.empty()) {
            config.stripe.key = first_line("--stripe-key-file", stripe.key);
            config.stripe.webhook_secret =
                first_line("--stripe-webhook-secret-file", stripe.webhook_secret);
        }
        if (std::ranges::contains(names, "all")) names = servable;
        std::ranges::sort(names);
        names.erase(std::ranges::unique(names).begin(), names.end());
        config.request_timeout = std::chrono::seconds{seconds.request_timeout};
        for (const auto& name : names) config.services.push_back(services.read(name));
    } catch (const CLI::ParseError& error) {
        std::exit(app.exit(error));
    }
    config.start_timeout = std::chrono::seconds{seconds.start_timeout};
    config.drain = std::chrono::seconds{seconds.drain};
    config.payment_overdue = std::chrono::seconds{seconds.payment_overdue};
    return config;
}

}  // namespace http

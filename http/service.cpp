#include "http/service.hpp"

#include <format>

#include "domain/transact.hpp"
#include "http/openapi/docs_routes.hpp"

namespace http {
namespace {

// A killed process gives its partitions up after this, instead of Kafka's 45 s.
std::map<std::string, std::string> with_session(std::map<std::string, std::string> properties) {
    properties.insert({{"session.timeout.ms", "6000"}, {"heartbeat.interval.ms", "2000"}});
    return properties;
}

// Of the files that there were when this was built, those of the service's directories.
constexpr auto count_missing = R"(
select count(*) from unnest(string_to_array($1, ',')) as wanted
where split_part(wanted, '/', 1) = any ($2::text[])
    and not exists (select from postroom.migration where scope || '/' || name = wanted))";

bool is_migrated(domain::Pool& pool, const std::string& service) {
    try {
        const pqxx::params files{POSTROOM_MIGRATIONS, std::vector<std::string>{"outbox", service}};
        const auto missing = [&](pqxx::transaction_base& tx) {
            return tx.query_value<int>(count_missing, files);
        };
        return domain::query(pool, missing, 1) == 0;
    } catch (const pqxx::undefined_table&) {
        return false;
    } catch (const pqxx::insufficient_privilege&) {
        return false;  // by a migrator that let nobody read what it had applied
    }
}

// Returns when the database answers and has every migration.
void await_database(domain::Pool& pool, const Service::Options& options, Log& log) {
    const auto deadline = std::chrono::steady_clock::now() + options.start_timeout;
    const auto& name = options.service.name;
    auto pause = std::chrono::milliseconds{100};
    for (;;) {
        try {
            if (is_migrated(pool, name)) return;
            throw StartError(std::format(
                "{}: {} is not migrated, or not up to date. Run: postroom migrate --dsn … "
                "--dir schema/outbox --dir schema/{}",
                name, pool.where(), name));
        } catch (const pqxx::failure& error) {
            if (std::chrono::steady_clock::now() > deadline) {
                throw StartError(
                    std::format("{}: cannot use {}: {}\nIs PostgreSQL up, and --{}-dsn right?",
                                name, pool.where(), error.what(), name));
            }
            log.warn("waiting for the database",
                     {{"service", name}, {"database", pool.where()}, {"error", error.what()}});
        }
        std::this_thread::sleep_for(pause);
        pause = std::min(2 * pause, std::chrono::milliseconds{2000});
    }
}

}  // namespace

Service::Service(Options options, Log& log)
    : options_(std::move(options)),
      log_(log),
      pool_({.dsn = options_.service.dsn,
             .size = options_.connections,
             .statement_timeout = options_.dispatcher.timeout}),
      metrics_(options_.service.name),
      tracer_({.endpoint = options_.otlp_endpoint,
               .service = options_.service.name,
               .log = [this](const std::string& line) { log_.warn(line); }}),
      dispatcher_(options_.service.name, {metrics_, tracer_}, log, options_.dispatcher) {
    if (!options_.topics.empty())
        consumer_.emplace(outbox::ConsumerOptions{
            .name = options_.consumer,
            .dsn = pool_.dsn(),
            .brokers = options_.brokers,
            .topics = options_.topics,
            .kafka = with_session(options_.kafka),
            .log =
                [this](std::string_view line) {
                    log_.warn(line, {{"service", options_.service.name}});
                },
            .around = watch_events({metrics_, tracer_}, options_.consumer)});
    await_database(pool_, options_, log_);
    add_operations();
}

void Service::add_operations() {
    dispatcher_.on_operation("/livez", [](const Request&) -> Outcome {
        return Response{.body = "ok\n", .content_type = "text/plain"};
    });
    dispatcher_.on_operation("/readyz", [this](const Request&) { return readiness(); });
    if (options_.shows_metrics)
        dispatcher_.on_operation("/metrics", [this](const Request&) -> Outcome {
            return Response{.body = metrics_.text(), .content_type = "text/plain; version=0.0.4"};
        });
    openapi::add_routes(dispatcher_, options_.service.name);
    if (!consumer_) return;
    metrics_.add_counter("consumer_events_total", "Events by what became of them", "outcome",
                         [this] {
                             const auto counts = consumer_->counts();
                             return std::map<std::string, double>{
                                 {"received", static_cast<double>(counts.received)},
                                 {"applied", static_cast<double>(counts.applied)},
                                 {"duplicate", static_cast<double>(counts.duplicates)},
                                 {"ignored", static_cast<double>(counts.ignored)},
                                 {"retried", static_cast<double>(counts.retried)},
                                 {"dead_lettered", static_cast<double>(counts.dead_lettered)}};
                         });
    metrics_.add_counter("consumer_batches_total",
                         "Batches taken, and parts of them that went one by one", "what", [this] {
                             const auto counts = consumer_->counts();
                             return std::map<std::string, double>{
                                 {"taken", static_cast<double>(counts.batches)},
                                 {"one_by_one", static_cast<double>(counts.fallbacks)}};
                         });
    metrics_.add_gauge(
        "consumer_lag", "Records of a partition that the group has not committed yet", [this] {
            std::vector<Metrics::Sample> samples;
            for (const auto& [topic, partition, records] : consumer_->lag())
                samples.push_back({{{"topic", topic}, {"partition", std::to_string(partition)}},
                                   static_cast<double>(records)});
            return samples;
        });
}

Outcome Service::readiness() {
    if (draining_) return tl::unexpected(Problem{503, "the service is stopping"});
    // Throws when the database is away, which answers 503 too.
    const auto ask = [](pqxx::transaction_base& tx) { return tx.query_value<int>("select 1"); };
    domain::query(pool_, ask, 1);
    // Requests need no Kafka: what they append waits for it in the outbox.
    return Response{.body = consumer_ && !consumer_->ready()
                                ? "ready, but the consumer is not in its group\n"
                                : "ready\n",
                    .content_type = "text/plain"};
}

void Service::attach(std::shared_ptr<Companion> companion) {
    companions_.push_back(std::move(companion));
}

void Service::start() {
    for (const auto& companion : companions_) companion->start();
    server_ = std::make_unique<Server>(
        ServerOptions{.listen = options_.service.listen,
                      .proxy = options_.proxy,
                      .on_failure =
                          [this] {
                              log_.error("the listener failed",
                                         {{"service", options_.service.name}});
                              options_.on_failure();
                          }},
        dispatcher_);
    if (consumer_)
        consuming_ = std::jthread([this](const std::stop_token& stop) { consume(stop); });
    log_.info("listening", {{"service", options_.service.name},
                            {"address", server_->address()},
                            {"database", pool_.where()},
                            {"brokers", options_.brokers},
                            {"routes", dispatcher_.routes()}});
}

void Service::consume(const std::stop_token& stop) {
    try {
        consumer_->run(stop);
    } catch (const std::exception& error) {
        log_.error("the consumer failed",
                   {{"service", options_.service.name}, {"error", error.what()}});
    }
    if (!stop.stop_requested()) options_.on_failure();
}

void Service::drain() {
    draining_ = true;
    for (const auto& companion : companions_) companion->drain();
}

void Service::stop() {
    consuming_.request_stop();
    if (server_) server_->stop();
    for (const auto& companion : companions_) companion->stop();
    if (consuming_.joinable()) consuming_.join();
}

}  // namespace http

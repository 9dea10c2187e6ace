#include "http/shop.hpp"

#include <unistd.h>

#include <csignal>

#include "domain/leased_ids.hpp"
#include "domain/sonyflake.hpp"

namespace http {
namespace {

bool is_loopback(std::string_view listen) {
    const auto host = listen.substr(0, listen.rfind(':'));
    return host.starts_with("127.") || host == "localhost" || host == "[::1]";
}

}  // namespace

Service& add_service(Shop& shop, const ServiceConfig& config,
                     const std::vector<std::string>& hears) {
    const auto fail = [&shop] {
        shop.failed = true;
        ::kill(::getpid(), SIGTERM);
    };
    std::vector<std::string> topics;
    topics.reserve(hears.size());
    for (const auto& type : hears) topics.push_back(topic_of(shop.config, type));
    shop.services.push_back(std::make_unique<Service>(
        Service::Options{
            .service = config,
            .consumer = shop.config.group_prefix + config.name,
            .brokers = shop.config.brokers,
            .kafka = shop.config.kafka,
            .topics = std::move(topics),
            .connections = shop.config.connections,
            .start_timeout = shop.config.start_timeout,
            .otlp_endpoint = shop.config.otlp_endpoint,
            .dispatcher = {.origins = shop.config.origins,
                           .rps = config.rps,
                           .timeout = config.request_timeout},
            .proxy = shop.config.proxy,
            .shows_metrics = shop.config.metrics_listen.empty() && is_loopback(config.listen),
            .on_failure = fail},
        shop.log));
    return *shop.services.back();
}

MetricsPort::MetricsPort(const Shop& shop)
    : metrics_("metrics"), dispatcher_("metrics", metrics_, shop.log) {
    dispatcher_.on_operation("/metrics", [&shop](const Request&) -> Outcome {
        std::string all;
        for (const auto& service : shop.services) all += service->metrics().text();
        return Response{.body = std::move(all), .content_type = "text/plain; version=0.0.4"};
    });
    server_.emplace(ServerOptions{.listen = shop.config.metrics_listen, .threads = 4}, dispatcher_);
    shop.log.info("showing metrics", {{"address", server_->address()}});
}

ServiceCache& add_cache(Shop& shop, const ServiceConfig& config, Service& service) {
    auto cache = std::make_shared<ServiceCache>(shop.config.cache, config.name);
    shop.parts.push_back(cache);
    cache->add_metrics(service.metrics());
    return *cache;
}

domain::IdMaker make_ids(const Config& config, domain::Pool& pool) {
    if (config.machine) {
        auto ids = std::make_shared<domain::Sonyflake>(*config.machine);
        return [ids] { return ids->next(); };
    }
    auto ids = std::make_shared<domain::LeasedIds>(pool);
    return [ids] { return ids->next(); };
}

}  // namespace http

// The shop at work in this process: its services, and what all of them share.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "domain/ids.hpp"
#include "http/config.hpp"
#include "http/log.hpp"
#include "http/service.hpp"
#include "http/service_cache.hpp"

namespace http {

struct Shop {
    const Config& config;
    Log& log;
    Authenticate authenticate;
    std::atomic<bool> failed = false;
    std::vector<std::shared_ptr<void>> parts{};  // what routes refer to: outlives the services
    std::vector<std::unique_ptr<Service>> services{};
};

// Adds a service without routes and subscriptions, which hears of these aggregate types: none, and
// it has no consumer. Waits for its database; throws StartError.
Service& add_service(Shop& shop, const ServiceConfig& config,
                     const std::vector<std::string>& hears);

// /metrics of all its services, on a port of its own: config.metrics_listen.
class MetricsPort {
public:
    explicit MetricsPort(const Shop& shop);  // throws std::runtime_error when it cannot listen

private:
    Metrics metrics_;
    Dispatcher dispatcher_;
    std::optional<Server> server_;
};

// What the service remembers, with its metrics; kept in shop.parts.
ServiceCache& add_cache(Shop& shop, const ServiceConfig& config, Service& service);

// Ids of this process's own, by its machine number or one that the service's database leases out.
domain::IdMaker make_ids(const Config& config, domain::Pool& pool);

}  // namespace http

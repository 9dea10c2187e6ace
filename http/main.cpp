// The shop's composition root: which services run here, and what each consists of.

#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <memory>
#include <print>
#include <vector>

#include "domain/sonyflake.hpp"
#include "domain/transact.hpp"
#include "http/config.hpp"
#include "http/order/order_routes.hpp"
#include "http/payment/payment_routes.hpp"
#include "http/service.hpp"

namespace {

struct Shop {
    explicit Shop(const http::Config& from, http::Log& to) : config(from), log(to) {}

    const http::Config& config;
    http::Log& log;
    std::atomic<bool> failed = false;
    // Routes refer to it, so it outlives the services below.
    std::unique_ptr<domain::order::OrderService> orders;
    std::vector<std::unique_ptr<http::Service>> services;
};

domain::IdMaker make_ids(const http::Config& config, domain::Pool& pool) {
    const auto machine =
        config.machine ? *config.machine : domain::transact(pool, [](pqxx::work& tx) {
            return domain::order::store::next_machine(tx);
        });
    auto ids = std::make_shared<domain::Sonyflake>(machine);
    return [ids] { return ids->next(); };
}

http::Service& add(Shop& shop, const http::ServiceConfig& service, const std::string& hears_of,
                   std::vector<std::string> tables) {
    const auto fail = [&shop] {
        shop.failed = true;
        ::kill(::getpid(), SIGTERM);
    };
    shop.services.push_back(std::make_unique<http::Service>(
        http::Service::Options{.service = service,
                               .consumer = shop.config.group_prefix + service.name,
                               .brokers = shop.config.brokers,
                               .topics = {http::topic_of(shop.config, hears_of)},
                               .tables = std::move(tables),
                               .connections = shop.config.connections,
                               .start_timeout = shop.config.start_timeout,
                               .on_failure = fail},
        shop.log));
    return *shop.services.back();
}

void add_order(Shop& shop, const http::ServiceConfig& config) {
    auto& service = add(shop, config, "payment", {"orders", "order_items", "catalogue"});
    shop.orders = std::make_unique<domain::order::OrderService>(
        service.pool(), make_ids(shop.config, service.pool()));
    http::order::add_routes(service.dispatcher(), *shop.orders);
    http::order::subscribe(service.consumer());
}

void add_payment(Shop& shop, const http::ServiceConfig& config) {
    auto& service = add(shop, config, "order", {"payments", "payment_limit"});
    http::payment::add_routes(service.dispatcher(), service.pool());
    http::payment::subscribe(service.consumer());
}

int serve(const http::Config& config, const sigset_t& stops) {
    http::Log log{config.log_level};
    Shop shop{config, log};
    for (const auto& service : config.services) {
        service.name == "order" ? add_order(shop, service) : add_payment(shop, service);
    }
    for (const auto& service : shop.services) service->start();

    int signal = 0;
    sigwait(&stops, &signal);
    log.info("stopping", {{"signal", signal}});
    for (const auto& service : shop.services) service->drain();
    const timespec drain{.tv_sec = config.drain.count(), .tv_nsec = 0};
    sigtimedwait(&stops, nullptr, &drain);
    for (const auto& service : shop.services) service->stop();
    log.info("stopped");
    return shop.failed ? 1 : 0;
}

}  // namespace

int main(int argc, char** argv) {
    const auto config = http::read_config(argc, argv);
    // Before any thread starts, so that every thread leaves them to sigwait.
    sigset_t stops;
    sigemptyset(&stops);
    sigaddset(&stops, SIGTERM);
    sigaddset(&stops, SIGINT);
    pthread_sigmask(SIG_BLOCK, &stops, nullptr);
    try {
        return serve(config, stops);
    } catch (const std::exception& error) {
        std::println(stderr, "shop: {}", error.what());
        return 1;
    }
}

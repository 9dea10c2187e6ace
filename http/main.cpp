// The shop's composition root: which services run here.

#include <absl/synchronization/mutex.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <map>
#include <optional>
#include <print>
#include <string>
#include <vector>

#include "http/apps.hpp"
#include "http/auth.hpp"
#include "http/work.hpp"

namespace {

const std::map<std::string, void (*)(http::Shop&, const http::ServiceConfig&)> apps{
    {"account", http::add_account}, {"orchestrator", http::add_orchestrator},
    {"order", http::add_order},     {"payment", http::add_payment},
    {"product", http::add_product}, {"purchase", http::add_purchase}};

http::Authenticate make_authenticate(const http::Config& config, http::Log& log) {
    const auto& secret = config.token.secret;
    // It alone serves without knowing who asks, and so without the secret of tokens and gRPC.
    const auto is_orchestrator = [](const auto& service) { return service.name == "orchestrator"; };
    if (secret.empty() && std::ranges::all_of(config.services, is_orchestrator)) return {};
    if (secret.size() < domain::token::least_secret) {
        throw http::StartError(
            "the secret that signs tokens needs at least 32 bytes: give --jwt-secret-file, or "
            "SHOP_JWT_SECRET in the environment");
    }
    if (config.grpc_security.token.empty() && !config.grpc_without_token) {
        throw http::StartError(
            "gRPC needs a token: give --grpc-token-file, the same for every service, or "
            "--grpc-without-token to let anyone call");
    }
    return http::ask_account(config.token, config.grpc.at("account"), log,
                             domain::token::Role::customer, config.grpc_security);
}

int serve(const http::Config& config, const sigset_t& stops) {
    http::Log log{config.log_level};
    http::Shop shop{.config = config, .log = log, .authenticate = make_authenticate(config, log)};
    http::watch_appends();
    for (const auto& service : config.services) apps.at(service.name)(shop, service);
    for (const auto& service : shop.services) service->start();
    std::optional<http::MetricsPort> metrics;
    if (!config.metrics_listen.empty()) metrics.emplace(shop);

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
    std::vector<std::string> servable;
    servable.reserve(apps.size());
    for (const auto& [name, add] : apps) servable.push_back(name);
    const auto config = http::read_config(argc, argv, servable);
    // Debian builds abseil, and so gRPC's mutexes, with the search for deadlocks: each mutex that
    // is locked while another is held goes through a graph under a lock for all, and two orders of
    // locking, be they ever so harmless, end the process.
    absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
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

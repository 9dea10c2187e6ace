#include "http/fallbacks.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <cstdlib>
#include <set>

namespace http {
namespace {

struct Fallback {
    const char *theirs, *ours;
    bool is_of_service = false;  // ours is SHOP_SERVICE_ours
    bool is_port = false;        // on loopback, as the shop's own default is
};
constexpr std::array fallbacks{
    Fallback{"HTTP_PORT", "HTTP", true, true},
    Fallback{"GRPC_PORT", "GRPC", true, true},
    Fallback{"DB_DSN", "DSN", true},
    Fallback{"PROM_PORT", "SHOP_METRICS_LISTEN", false, true},
    Fallback{"DB_MAX_OPEN_CONNS", "SHOP_DB_CONNECTIONS"},
    Fallback{"JWT_SECRET", "SHOP_JWT_SECRET"},
    Fallback{"REDIS_ADDRS", "SHOP_REDIS_ADDRS"},
    Fallback{"REDIS_PASSWORD", "SHOP_REDIS_PASSWORD"},
    Fallback{"REDIS_EXPIRATION_SECONDS", "SHOP_REDIS_EXPIRATION_SECONDS"},
    Fallback{"LOCAL_CACHE_EXPIRATION_SECONDS", "SHOP_LOCAL_CACHE_EXPIRATION_SECONDS"},
    Fallback{"SERVICE_OPTIONS_RPS", "SHOP_RPS"},
    Fallback{"SERVICE_OPTIONS_TIMEOUT_SECOND", "SHOP_REQUEST_TIMEOUT_S"}};

// The one service that is asked for, in capitals; or nothing.
std::string the_one(int argc, char** argv, const std::vector<std::string>& servable) {
    std::set<std::string> names;
    for (int i = 1; i < argc; ++i) {
        if (std::ranges::contains(servable, argv[i]) || std::string{"all"} == argv[i])
            names.emplace(argv[i]);
    }
    if (const char* app = std::getenv("APP"); names.empty() && app != nullptr) names.emplace(app);
    if (names.size() != 1 || !std::ranges::contains(servable, *names.begin())) return {};
    auto name = *names.begin();
    std::ranges::transform(name, name.begin(),
                           [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
    return name;
}

}  // namespace

void adopt_fallbacks(int argc, char** argv, const std::vector<std::string>& servable) {
    const auto service = the_one(argc, argv, servable);
    for (const auto& [theirs, ours, is_of_service, is_port] : fallbacks) {
        const char* value = std::getenv(theirs);
        if (value == nullptr || *value == '\0' || (is_of_service && service.empty())) continue;
        const auto name = is_of_service ? "SHOP_" + service + "_" + ours : std::string{ours};
        const auto text = is_port ? "127.0.0.1:" + std::string{value} : std::string{value};
        ::setenv(name.c_str(), text.c_str(), /*overwrite=*/0);
    }
}

void refuse_what_was_ignored(const CLI::App& command) {
    for (const auto* option : command.get_options()) {
        const auto& name = option->get_envname();
        const char* value = name.empty() ? nullptr : std::getenv(name.c_str());
        if (value != nullptr && *value != '\0' && option->count() == 0)
            throw CLI::ValidationError(name, std::string{"cannot be "} + value);
    }
}

}  // namespace http

#include "http/fallbacks.hpp"

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
    Fallback{"SERVICE_OPTIONS_RPS", "SHOP_RPS"},
    Fallback{"SERVICE_OPTIONS_TIMEOUT_SECOND", "SHOP_REQUEST_TIMEOUT_S"}};

std::set<std::string> named(int argc, char** argv, const std::vector<std::string>& servable) {
    std::set<std::string> names;
    for (int i = 1; i < argc; ++i) {
        if (std::ranges::contains(servable, argv[i]) || std::string{"all"} == argv[i])
            names.emplace(argv[i]);
    }
    if (const char* app = std::getenv("APP"); names.empty() && app != nullptr) names.emplace(app);
    return names;
}

}  // namespace

void adopt_fallbacks(int argc, char** argv, const std::vector<std::string>& servable) {
    const auto names = named(argc, argv, servable);
    if (names.size() != 1 || !std::ranges::contains(servable, *names.begin())) return;
    auto service = *names.begin();
    std::ranges::transform(service, service.begin(),
                           [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
    for (const auto& [theirs, ours, is_of_service, is_port] : fallbacks) {
        const char* value = std::getenv(theirs);
        if (value == nullptr) continue;
        const auto name = is_of_service ? "SHOP_" + service + "_" + ours : std::string{ours};
        const auto text = is_port ? "127.0.0.1:" + std::string{value} : std::string{value};
        ::setenv(name.c_str(), text.c_str(), /*overwrite=*/0);
    }
}

}  // namespace http

#include "http/service_flags.hpp"

#include <algorithm>
#include <array>
#include <cctype>

#include "http/first_line.hpp"

namespace http {
namespace {

struct Known {
    const char *name, *http, *grpc;  // grpc: null for those that speak none
};
constexpr std::array known{Known{"account", "127.0.0.1:8080", "127.0.0.1:50051"},
                           Known{"product", "127.0.0.1:8081", "127.0.0.1:50052"},
                           Known{"order", "127.0.0.1:8082", nullptr},
                           Known{"payment", "127.0.0.1:8083", nullptr},
                           Known{"purchase", "127.0.0.1:8084", nullptr},
                           Known{"orchestrator", "127.0.0.1:8085", nullptr}};

std::string variable(const std::string& name, const char* setting) {
    auto text = "SHOP_" + name + "_" + setting;
    std::ranges::transform(text, text.begin(),
                           [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
    return text;
}

}  // namespace

ServiceFlags::ServiceFlags(CLI::App& serve, Config& config,
                           const std::vector<std::string>& servable)
    : config_(config) {
    for (const auto& service : known) {
        const std::string name = service.name;
        if (!std::ranges::contains(servable, name)) continue;
        auto& flags = flags_[name];
        flags.listen = service.http;
        add(serve, name, flags);
        if (service.grpc == nullptr) continue;
        auto& address = config.grpc[name];
        address = service.grpc;
        serve
            .add_option("--" + name + "-grpc", address,
                        "where " + name + " speaks gRPC, host:port; the others find it there")
            ->envname(variable(name, "GRPC"))
            ->capture_default_str();
    }
}

void ServiceFlags::add(CLI::App& app, const std::string& name, Flags& flags) {
    const auto flag = "--" + name;
    auto* dsn = app.add_option(flag + "-dsn", flags.dsn,
                               "database of " + name + ": a PostgreSQL URI or key=value list")
                    ->envname(variable(name, "DSN"));
    app.add_option(flag + "-dsn-file", flags.dsn_file, "a file that holds it, instead")
        ->envname(variable(name, "DSN_FILE"))
        ->excludes(dsn);
    app.add_option(flag + "-http", flags.listen, "where " + name + " listens, host:port")
        ->envname(variable(name, "HTTP"))
        ->capture_default_str();
    app.add_option(flag + "-rps", flags.rps, "of " + name + ", instead of --rps")
        ->envname(variable(name, "RPS"))
        ->check(CLI::Range(0, most_rps));
    app.add_option(flag + "-request-timeout-s", flags.request_timeout_s,
                   "of " + name + ", instead of --request-timeout-s")
        ->envname(variable(name, "REQUEST_TIMEOUT_S"))
        ->check(CLI::Range(1, longest_request_s));
}

ServiceConfig ServiceFlags::read(const std::string& name) const {
    const auto& flags = flags_.at(name);
    auto dsn = flags.dsn;
    if (!flags.dsn_file.empty()) dsn = first_line("--" + name + "-dsn-file", flags.dsn_file);
    if (dsn.empty())
        throw CLI::ValidationError("serve " + name, "needs its database: give --" + name + "-dsn");
    return {.name = name,
            .dsn = std::move(dsn),
            .listen = flags.listen,
            .rps = flags.rps.value_or(config_.rps),
            .request_timeout = flags.request_timeout_s
                                   ? std::chrono::seconds{*flags.request_timeout_s}
                                   : config_.request_timeout};
}

}  // namespace http

// What is said of one service of the shop: its database, where it listens, and its own limits.
#pragma once

#include <CLI/CLI.hpp>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "http/config.hpp"

namespace http {

class ServiceFlags {
public:
    // Of those services. The configuration's gRPC addresses are read with the command line.
    ServiceFlags(CLI::App& serve, Config& config, const std::vector<std::string>& servable);

    // After the command line: of one of them. Throws CLI::ValidationError without a database.
    ServiceConfig read(const std::string& name) const;

private:
    struct Flags {
        std::string dsn, dsn_file, listen;
        std::optional<int> rps;
        std::optional<int> request_timeout_s;
    };
    static void add(CLI::App& app, const std::string& name, Flags& flags);

    const Config& config_;
    std::map<std::string, Flags> flags_;
};

}  // namespace http

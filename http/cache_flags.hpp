// The cache's settings on the command line and in the environment: part of read_config.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "http/cache_config.hpp"

namespace http {

// Adds the flags to the command. Lives until it is parsed; read() then completes the configuration,
// and throws CLI::ValidationError for what cannot be.
class CacheFlags {
public:
    CacheFlags(CLI::App& command, CacheConfig& config);
    void read();

private:
    CacheConfig& config_;
    std::string addresses_, password_file_;
    long redis_s_, local_s_;
};

}  // namespace http

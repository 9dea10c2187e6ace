// The orchestrator's settings on the command line and in the environment.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "http/orchestrator/orchestrator_config.hpp"

namespace http {

// Flags that bind to the config; read() ends the reading, and throws CLI::ValidationError.
class OrchestratorFlags {
public:
    OrchestratorFlags(CLI::App& serve, OrchestratorConfig& config);
    void read();

private:
    OrchestratorConfig& config_;
    std::string token_file_;
};

}  // namespace http

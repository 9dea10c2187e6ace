// The orchestrator's settings.
#pragma once

#include <chrono>
#include <string>

#include "domain/saga/saga.hpp"

namespace CLI {
class App;
}

namespace http {

struct OrchestratorConfig {
    domain::saga::Policy policy;
    std::chrono::milliseconds sweep{500};  // between looks for what is due; jittered
    std::string operator_token;            // empty: no routes for operators
};

// Its flags, which bind to the config; read() ends the reading, and throws CLI::ValidationError.
class OrchestratorFlags {
public:
    OrchestratorFlags(CLI::App& serve, OrchestratorConfig& config);
    void read();

private:
    OrchestratorConfig& config_;
    std::string token_file_;
};

}  // namespace http

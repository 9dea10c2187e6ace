// The orchestrator's settings.
#pragma once

#include <chrono>
#include <string>

#include "domain/saga/saga.hpp"

namespace http {

struct OrchestratorConfig {
    domain::saga::Policy policy;
    std::chrono::milliseconds sweep{500};  // between looks for what is due; jittered
    std::string operator_token;            // empty: no routes for operators
};

}  // namespace http

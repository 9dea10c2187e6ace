#include "http/orchestrator/orchestrator_flags.hpp"

#include "http/first_line.hpp"

namespace http {
namespace {

constexpr std::size_t shortest_token = 16;

void add_time(CLI::App& serve, const char* flag, std::chrono::milliseconds& time,
              const char* environment, const char* help) {
    serve
        .add_option_function<long>(
            flag, [&time](long ms) { time = std::chrono::milliseconds{ms}; }, help)
        ->envname(environment)
        ->check(CLI::Range(1, 86'400'000))
        ->default_str(std::to_string(time.count()));
}

}  // namespace

OrchestratorFlags::OrchestratorFlags(CLI::App& serve, OrchestratorConfig& config)
    : config_(config) {
    add_time(serve, "--saga-step-timeout-ms", config.policy.step_timeout,
             "SHOP_SAGA_STEP_TIMEOUT_MS",
             "how long a participant may take to answer before it is asked again");
    serve
        .add_option("--saga-step-tries", config.policy.step_tries,
                    "how often a step is asked for before it is given up and taken back")
        ->envname("SHOP_SAGA_STEP_TRIES")
        ->check(CLI::Range(1, 1000))
        ->capture_default_str();
    add_time(serve, "--saga-longest-pause-ms", config.policy.longest_pause,
             "SHOP_SAGA_LONGEST_PAUSE_MS",
             "to which the pauses between the tries of a compensation grow");
    serve
        .add_option("--saga-compensation-tries", config.policy.compensation_tries,
                    "how often a compensation is tried before the saga counts as stuck; it is "
                    "tried on all the same")
        ->envname("SHOP_SAGA_COMPENSATION_TRIES")
        ->check(CLI::Range(1, 1000))
        ->capture_default_str();
    add_time(serve, "--saga-sweep-ms", config.sweep, "SHOP_SAGA_SWEEP_MS",
             "between looks for sagas whose time is over, on average");
    auto* token = serve
                      .add_option("--operator-token", config.operator_token,
                                  "what the routes of operators ask for as Authorization: Bearer; "
                                  "without it there are none")
                      ->envname("SHOP_OPERATOR_TOKEN");
    serve.add_option("--operator-token-file", token_file_, "a file that holds it, instead")
        ->envname("SHOP_OPERATOR_TOKEN_FILE")
        ->excludes(token);
}

void OrchestratorFlags::read() {
    auto& token = config_.operator_token;
    if (!token_file_.empty()) token = first_line("--operator-token-file", token_file_);
    if (!token.empty() && token.size() < shortest_token) {
        throw CLI::ValidationError(
            "--operator-token", "must have " + std::to_string(shortest_token) + " bytes or more");
    }
}

}  // namespace http

// The environment: the names that settings have elsewhere (DB_DSN, JWT_SECRET, REDIS_ADDRS and so
// on), which count where the shop's own name is not set, and what no setting can be.
#pragma once

#include <string>
#include <vector>

// NOLINTNEXTLINE(readability-identifier-naming): CLI11's name
namespace CLI {
class App;
}

namespace http {

// Sets the shop's own names in the environment; those of a service, as HTTP_PORT, if the command
// line or APP names exactly one. Before any thread starts.
void adopt_fallbacks(int argc, char** argv, const std::vector<std::string>& servable);

// Throws CLI::ValidationError for a variable that its option refuses: the parser passes it over.
// After it has parsed.
void refuse_what_was_ignored(const CLI::App& command);

}  // namespace http

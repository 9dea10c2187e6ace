// The names that settings have where one service is one process, chosen by APP: HTTP_PORT, DB_DSN,
// SERVICE_OPTIONS_RPS and so on. They count where the shop's own name is not set.
#pragma once

#include <string>
#include <vector>

namespace http {

// Sets the shop's own names in the environment, if the command line or APP names exactly one
// service. Before any thread starts.
void adopt_fallbacks(int argc, char** argv, const std::vector<std::string>& servable);

}  // namespace http

// Secrets come in files, so that neither a process list nor an environment shows them.
#pragma once

#include <string>

namespace http {

// The first line of the file that the flag names. Throws CLI::ValidationError, which names both,
// when there is none, or an empty one.
std::string first_line(const std::string& flag, const std::string& path);

}  // namespace http

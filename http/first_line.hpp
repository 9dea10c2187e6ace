// Secrets come in files, so that neither a process list nor an environment shows them.
#pragma once

#include <string>

namespace http {

// The first line of the file that the flag names, however it ends. Throws CLI::ValidationError,
// which names both, when there is none, or an empty one.
std::string first_line(const std::string& flag, const std::string& path);

// The same, or where no path was given what the environment has under that name; else nothing.
std::string secret_of(const std::string& flag, const std::string& path, const char* variable);

}  // namespace http

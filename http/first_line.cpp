#include "http/first_line.hpp"

#include <CLI/CLI.hpp>
#include <cstdlib>
#include <fstream>

namespace http {

std::string first_line(const std::string& flag, const std::string& path) {
    std::ifstream file(path);
    std::string line;
    std::getline(file, line);
    if (line.ends_with('\r')) line.pop_back();
    if (line.empty()) throw CLI::ValidationError(flag, "cannot read a first line from " + path);
    return line;
}

std::string secret_of(const std::string& flag, const std::string& path, const char* variable) {
    if (!path.empty()) return first_line(flag, path);
    const char* secret = std::getenv(variable);
    return secret == nullptr ? "" : secret;
}

}  // namespace http

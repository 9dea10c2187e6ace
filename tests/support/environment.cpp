#include "support/environment.hpp"

#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <format>
#include <random>
#include <stdexcept>

namespace support {

std::string environment(const char* name) {
    const char* value = std::getenv(name);
    if (value == nullptr || *value == '\0') {
        throw std::runtime_error{std::string{name} + " is not set: run ./ops/test"};
    }
    return value;
}

std::string postgres() { return environment("POSTROOM_TEST_PG"); }

std::string kafka() { return environment("POSTROOM_TEST_KAFKA"); }

std::filesystem::path source_dir() { return environment("POSTROOM_SOURCE_DIR"); }

std::filesystem::path bin(std::string_view program) {
    auto path = std::filesystem::path{environment("POSTROOM_BIN")} / program;
    if (!std::filesystem::exists(path)) {
        throw std::runtime_error{path.string() + " is not built: run ./ops/test"};
    }
    return path;
}

std::string unique_name(std::string_view prefix) {
    static const unsigned run = std::random_device{}();
    static std::atomic<unsigned> count{0};
    return std::format("{}_{}_{:08x}_{}", prefix, ::getpid(), run, ++count);
}

}  // namespace support

// JSON lines on stderr: {"time":…,"level":…,"message":…, and the fields of the call}. Thread-safe.
#pragma once

#include <spdlog/fwd.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace http {

class Log {
public:
    using Fields = nlohmann::ordered_json;

    // level: debug, info, warn, error or off; any other throws std::invalid_argument.
    explicit Log(const std::string& level);
    ~Log();

    void info(std::string_view message, const Fields& fields = Fields::object());
    void warn(std::string_view message, const Fields& fields = Fields::object());
    void error(std::string_view message, const Fields& fields = Fields::object());

private:
    std::unique_ptr<spdlog::logger> logger_;
};

}  // namespace http

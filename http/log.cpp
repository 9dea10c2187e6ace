#include "http/log.hpp"

#include <spdlog/logger.h>
#include <spdlog/sinks/stdout_sinks.h>

#include <chrono>
#include <format>
#include <stdexcept>

namespace http {
namespace {

void write(spdlog::logger& logger, spdlog::level::level_enum level, std::string_view message,
           const Log::Fields& fields) {
    if (!logger.should_log(level)) return;
    const auto now =
        std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now());
    const auto name = spdlog::level::to_string_view(level);
    Log::Fields line{{"time", std::format("{:%FT%T}Z", now)},
                     {"level", std::string{name.data(), name.size()}},
                     {"message", message}};
    line.update(fields);
    // Fields may hold bytes of a client's: what is no UTF-8 is replaced.
    logger.log(level, line.dump(-1, ' ', false, Log::Fields::error_handler_t::replace));
}

}  // namespace

Log::Log(const std::string& level)
    : logger_(std::make_unique<spdlog::logger>("shop",
                                               std::make_shared<spdlog::sinks::stderr_sink_mt>())) {
    const auto parsed = spdlog::level::from_str(level);
    if (parsed == spdlog::level::off && level != "off") {
        throw std::invalid_argument("log level \"" + level +
                                    "\": use debug, info, warn, error or off");
    }
    logger_->set_level(parsed);
    logger_->set_pattern("%v");
}

Log::~Log() = default;

void Log::info(std::string_view message, const Fields& fields) {
    write(*logger_, spdlog::level::info, message, fields);
}

void Log::warn(std::string_view message, const Fields& fields) {
    write(*logger_, spdlog::level::warn, message, fields);
}

void Log::error(std::string_view message, const Fields& fields) {
    write(*logger_, spdlog::level::err, message, fields);
}

}  // namespace http

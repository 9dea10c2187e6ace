#include "relay/log_label.hpp"

#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <memory>
#include <utility>

namespace relay {
namespace {

thread_local std::string label_of_thread;

// Called by the thread that logs, as the logger is synchronous.
class Label : public spdlog::custom_flag_formatter {
public:
    void format(const spdlog::details::log_msg&, const std::tm&,
                spdlog::memory_buf_t& line) override {
        line.append(label_of_thread);
    }
    std::unique_ptr<spdlog::custom_flag_formatter> clone() const override {
        return std::make_unique<Label>();
    }
};

}  // namespace

void set_up_log() {
    spdlog::set_default_logger(spdlog::stderr_logger_mt("postroom"));
    auto formatter = std::make_unique<spdlog::pattern_formatter>(spdlog::pattern_time_type::utc);
    formatter->add_flag<Label>('*').set_pattern("%Y-%m-%dT%H:%M:%S.%eZ %l %*%v");
    spdlog::set_formatter(std::move(formatter));
}

void label_log(const std::string& label) { label_of_thread = label.empty() ? label : label + ": "; }

}  // namespace relay

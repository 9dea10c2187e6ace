#include "domain/trace.hpp"

#include <algorithm>
#include <format>
#include <random>

#include "outbox/tracing/tracing.hpp"

namespace domain {
namespace {

std::uint64_t random_bits() {
    thread_local std::random_device device;
    std::uint64_t bits = 0;
    while (bits == 0) bits = std::uint64_t{device()} << 32 | device();
    return bits;
}

bool is_lower_hex(std::string_view text) {
    return std::ranges::all_of(
        text, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

bool is_zero(std::string_view text) { return text.find_first_not_of('0') == text.npos; }

// https://www.w3.org/TR/trace-context/#traceparent-header: version 00.
bool is_traceparent(std::string_view text) {
    return text.size() == 55 && text.starts_with("00-") && text[35] == '-' && text[52] == '-' &&
           is_lower_hex(text.substr(3, 32)) && is_lower_hex(text.substr(36, 16)) &&
           is_lower_hex(text.substr(53)) && !is_zero(text.substr(3, 32)) &&
           !is_zero(text.substr(36, 16));
}

// W3C's, beyond which a tracestate need not be passed on.
constexpr std::size_t longest_tracestate = 512;

}  // namespace

std::map<std::string, std::string> Trace::headers() const {
    std::map<std::string, std::string> all{{"traceparent", traceparent},
                                           {"correlation-id", correlation_id}};
    if (!tracestate.empty()) all.emplace("tracestate", tracestate);
    return all;
}

Trace continue_trace(std::string_view traceparent, std::string_view correlation_id,
                     std::string_view tracestate) {
    const bool goes_on = is_traceparent(traceparent);
    Trace trace{goes_on ? std::string{traceparent}
                        : std::format("00-{:016x}{:016x}-{:016x}-01", random_bits(), random_bits(),
                                      random_bits()),
                std::string{correlation_id}};
    if (!is_token(correlation_id)) trace.correlation_id = trace.trace_id();
    if (goes_on && tracestate.size() <= longest_tracestate && tracing::is_tracestate(tracestate))
        trace.tracestate = tracestate;
    return trace;
}

Trace continue_trace(const std::map<std::string, std::string>& headers) {
    const auto value = [&](const char* name) {
        const auto found = headers.find(name);
        return found == headers.end() ? std::string_view{} : std::string_view{found->second};
    };
    return continue_trace(value("traceparent"), value("correlation-id"), value("tracestate"));
}

bool is_token(std::string_view text) {
    return !text.empty() && text.size() <= 128 &&
           std::ranges::all_of(text, [](char c) { return c > ' ' && c <= '~'; });
}

}  // namespace domain

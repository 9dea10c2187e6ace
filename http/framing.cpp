#include "http/framing.hpp"

#include "faults.hpp"

namespace http {
namespace {

bool is_chunked(const httplib::Request& request) { return request.has_header("Transfer-Encoding"); }

}  // namespace

std::optional<std::string> framing_fault(const httplib::Request& request) {
    const auto lengths = request.get_header_value_count("Content-Length");
    const auto length = request.get_header_value("Content-Length");
    if (lengths > 1 && !faults::mutant("two_lengths")) return "more than one Content-Length";
    if (is_chunked(request)) {
        if (lengths > 0 && !faults::mutant("cl_te")) return "Content-Length and Transfer-Encoding";
        if (request.get_header_value_count("Transfer-Encoding") > 1 ||
            request.get_header_value("Transfer-Encoding") != "chunked") {
            return "a Transfer-Encoding other than chunked";
        }
    }
    if (lengths == 1 && (length.empty() || length.size() > 18 ||
                         length.find_first_not_of("0123456789") != length.npos)) {
        return "a Content-Length that is no number";
    }
    const bool takes_body =
        request.method == "POST" || request.method == "PUT" || request.method == "PATCH";
    if (!takes_body && !faults::mutant("body_of_get") &&
        (is_chunked(request) || (lengths == 1 && std::stoull(length) > 0))) {
        return "a body with a method that takes none";
    }
    return std::nullopt;
}

tl::expected<void, Problem> read_body(const httplib::Request& request,
                                      const httplib::ContentReader& reader,
                                      const BodyLimits& limits, std::string& body) {
    const Problem too_large{
        413, "the body may have " + std::to_string(limits.bytes) + " bytes at most", {}, {}, true};
    const auto length = request.get_header_value_u64("Content-Length");
    if (length > limits.bytes) return tl::unexpected(too_large);
    if (length == 0 && !is_chunked(request)) return {};

    const auto deadline = std::chrono::steady_clock::now() + limits.time;
    bool overflow = false;
    bool late = false;
    const auto whole = reader([&](const char* data, std::size_t size) {
        overflow = body.size() + size > limits.bytes && !faults::mutant("unbounded_body");
        late = std::chrono::steady_clock::now() > deadline;
        if (overflow || late) return false;
        body.append(data, size);
        return true;
    });
    if (overflow) return tl::unexpected(too_large);
    if (late) return tl::unexpected(Problem{408, "the body came too slowly", {}, {}, true});
    if (!whole)
        return tl::unexpected(Problem{400, "the body ended early or is malformed", {}, {}, true});
    return {};
}

}  // namespace http

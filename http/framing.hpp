// Where a request's body begins and ends, and reading it whole. For server.cpp alone.
#pragma once

#include <httplib.h>

#include <chrono>
#include <optional>
#include <string>

#include "http/message.hpp"

namespace http {

// RFC 9112, section 6: what an intermediary might read in another way is to be refused. What the
// request has, if it has anything of that kind.
std::optional<std::string> framing_fault(const httplib::Request& request);

struct BodyLimits {
    std::size_t bytes;
    std::chrono::milliseconds time;
};

// Appends the body to the last argument. Otherwise says why not: too large, too slow, or malformed.
tl::expected<void, Problem> read_body(const httplib::Request& request,
                                      const httplib::ContentReader& reader,
                                      const BodyLimits& limits, std::string& body);

}  // namespace http

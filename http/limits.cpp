#include "http/limits.hpp"

#include <algorithm>

namespace http {

bool Cors::any() const { return std::ranges::contains(origins_, "*"); }

bool Cors::allows(std::string_view origin) const {
    return !origin.empty() && (any() || std::ranges::contains(origins_, origin));
}

bool Cors::is_preflight(const Request& request) const {
    return request.method == "OPTIONS" &&
           !request.header("Access-Control-Request-Method").empty() &&
           allows(request.header("Origin"));
}

Response Cors::preflight(const std::string& allow) {
    return {.status = 204,
            .content_type = "text/plain",
            .headers = {{"Access-Control-Allow-Methods", allow},
                        {"Access-Control-Allow-Headers",
                         "Authorization, Content-Type, Idempotency-Key, X-Request-Id, "
                         "traceparent, tracestate, correlation-id"},
                        {"Access-Control-Max-Age", "600"}}};
}

void Cors::mark(const Request& request, Response& response) const {
    if (origins_.empty()) return;
    response.headers.emplace_back("Vary", "Origin");
    const auto origin = request.header("Origin");
    if (!allows(origin)) return;
    response.headers.emplace_back("Access-Control-Allow-Origin", any() ? "*" : origin);
    response.headers.emplace_back("Access-Control-Expose-Headers",
                                  "Location, X-Request-Id, Retry-After");
}

bool Rate::takes(Clock::time_point now) {
    if (per_second_ <= 0) return true;
    const std::scoped_lock lock(mutex_);
    if (now > filled_) {
        const std::chrono::duration<double> since = now - filled_;
        tokens_ = std::min(per_second_, tokens_ + since.count() * per_second_);
        filled_ = now;
    }
    if (tokens_ < 1) return false;
    tokens_ -= 1;
    return true;
}

}  // namespace http

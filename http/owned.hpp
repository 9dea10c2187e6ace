// Answers that only their owner may see, remembered.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "domain/ids.hpp"
#include "http/service_cache.hpp"

namespace http {

struct Owned {
    domain::CustomerId owner;
    std::string body;
};

// The body remembered under the key, or loaded; nothing when there is none, or when it is not to be
// seen: what was remembered for its owner is asked about as much as what was just loaded.
std::optional<std::string> show_owned(
    ServiceCache& cache, const std::string& key, std::int64_t id,
    const std::function<std::optional<Owned>()>& load,
    const std::function<bool(domain::CustomerId owner)>& may_be_seen);

}  // namespace http

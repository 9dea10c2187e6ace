// The configuration of what services remember.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "domain/cache/filter.hpp"

namespace http {

struct CacheConfig {
    std::vector<std::string> redis = {};  // host:port; of a cluster some suffice; none: memory only
    std::string redis_password = {};
    std::string redis_prefix = {};  // of every key, where several shops share a Redis
    std::chrono::seconds redis_life{900};
    std::chrono::seconds local_life{600};
    std::size_t local_entries = 100'000;  // of each service; 0: nothing is kept in memory
    std::size_t local_bytes = std::size_t{64} << 20;
    domain::cache::Filter::Kind filter = domain::cache::Filter::Kind::cuckoo;
};

}  // namespace http

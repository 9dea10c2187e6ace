#include "http/cache_flags.hpp"

#include <ranges>

#include "domain/cache/connection.hpp"
#include "http/first_line.hpp"

namespace http {
namespace {

constexpr long longest_s = 31'536'000;

std::vector<std::string> split(const std::string& addresses) {
    std::vector<std::string> found;
    for (const auto part : std::views::split(addresses, ',')) {
        const std::string address{part.begin(), part.end()};
        if (address.empty()) continue;
        try {
            domain::cache::parse_address(address);
        } catch (const std::invalid_argument& error) {
            throw CLI::ValidationError("--redis-addrs", error.what());
        }
        found.push_back(address);
    }
    return found;
}

}  // namespace

CacheFlags::CacheFlags(CLI::App& command, CacheConfig& config)
    : config_(config), redis_s_(config.redis_life.count()), local_s_(config.local_life.count()) {
    using Kind = domain::cache::Filter::Kind;
    command
        .add_option(
            "--redis-addrs", addresses_,
            "host:port,… of a Redis, or of some of a cluster's servers; without it services "
            "remember in memory only. Or the environment has it as REDIS_ADDRS")
        ->envname("SHOP_REDIS_ADDRS");
    command
        .add_option("--redis-password-file", password_file_,
                    "a file whose first line is the password. Or the environment has it, as "
                    "SHOP_REDIS_PASSWORD or REDIS_PASSWORD")
        ->envname("SHOP_REDIS_PASSWORD_FILE");
    command
        .add_option("--redis-prefix", config.redis_prefix,
                    "put before every key and channel, where several shops share a Redis")
        ->envname("SHOP_REDIS_PREFIX");
    command
        .add_option("--redis-expiration-s", redis_s_,
                    "an entry's life in Redis, and up to a tenth more. Or the environment has it, "
                    "as REDIS_EXPIRATION_SECONDS")
        ->envname("SHOP_REDIS_EXPIRATION_SECONDS")
        ->check(CLI::Range(1L, longest_s))
        ->capture_default_str();
    command
        .add_option("--local-cache-expiration-s", local_s_,
                    "an entry's life in memory, at most 5 s while no Redis tells of changes. Or "
                    "the environment has it, as LOCAL_CACHE_EXPIRATION_SECONDS")
        ->envname("SHOP_LOCAL_CACHE_EXPIRATION_SECONDS")
        ->check(CLI::Range(1L, longest_s))
        ->capture_default_str();
    command
        .add_option("--local-cache-entries", config.local_entries,
                    "that each service keeps in memory; 0: none")
        ->envname("SHOP_LOCAL_CACHE_ENTRIES")
        ->capture_default_str();
    command.add_option("--local-cache-bytes", config.local_bytes, "that they may have together")
        ->envname("SHOP_LOCAL_CACHE_BYTES")
        ->capture_default_str();
    command
        .add_option("--cache-filter", config.filter,
                    "what knows the ids that never existed: cuckoo or bloom")
        ->envname("SHOP_CACHE_FILTER")
        ->transform(CLI::Transformer(
            std::map<std::string, Kind>{{"cuckoo", Kind::cuckoo}, {"bloom", Kind::bloom}}))
        ->default_str("cuckoo");
}

void CacheFlags::read() {
    config_.redis = split(addresses_);
    config_.redis_life = std::chrono::seconds{redis_s_};
    config_.local_life = std::chrono::seconds{local_s_};
    config_.redis_password =
        secret_of("--redis-password-file", password_file_, "SHOP_REDIS_PASSWORD");
}

}  // namespace http

// What one service remembers of its objects: memory over Redis, and a filter of the ids there are.
//
//   ServiceCache cache{config, "product"};
//   cache.filter(pool, "products");
//   if (!cache.might_exist(id)) return not_found;
//   auto text = cache.values().get(key, load);
//
//   cache.settle_after(consumer, keys_of);         // and in its handlers:
//   cache.invalidate_later(key);                   // once the transaction under way has ended
//
// What does not exist is not remembered: the filter knows it, and is never late. Thread-safe.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <outbox/consumer.hpp>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "domain/cache/cached.hpp"
#include "domain/pool.hpp"
#include "http/cache_config.hpp"
#include "http/metrics.hpp"

namespace http {

// A query of the ids that a transaction from $1 on has added to the table, by its column added_in;
// of 0, all. A plan made for any $1 must not read the table for a late one: hence two branches.
std::string ids_since(std::string_view table);

class ServiceCache {
public:
    ServiceCache(const CacheConfig& config, const std::string& service);

    // From now on ids of that table are filtered. Reads all of them; before the first question.
    void filter(domain::Pool& pool, std::string_view table);
    bool might_exist(std::int64_t id);  // true without a filter

    domain::cache::Cached& values() { return *values_; }

    // Before the transaction that changes it commits, which may still fail.
    void invalidate_later(const std::string& key);
    // What a message may have changed; throws outbox::PoisonMessage for one that cannot be read.
    using KeysOf = std::function<std::vector<std::string>(const outbox::Message&)>;
    // Before the consumer runs: what its handlers changed is invalidated after each batch, and what
    // a message may have changed once more when it is repeated, as whoever handled it may have died
    // before it invalidated anything.
    void settle_after(outbox::Consumer& consumer, KeysOf keys_of);

    void add_metrics(Metrics& metrics) const;

private:
    void settle(bool others_at_work);

    const domain::cache::Filter::Options filter_options_;
    std::optional<domain::cache::Redis> redis_;
    std::unique_ptr<domain::cache::Cached> values_;
    std::optional<domain::cache::Filter> filter_;
    std::atomic<std::uint64_t> rejections_ = 0;
    std::mutex mutex_;
    std::set<std::string> later_;  // to be invalidated
    std::set<std::string> again_;  // those, as a handler that named them may still be at work
};

}  // namespace http

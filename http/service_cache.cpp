#include "http/service_cache.hpp"

#include <format>
#include <pqxx/pqxx>
#include <utility>

#include "domain/transact.hpp"

namespace http {
namespace {

using domain::cache::Cached;
using domain::cache::Filter;
using domain::cache::Redis;

std::optional<Redis> connect(const CacheConfig& config) {
    if (config.redis.empty()) return std::nullopt;
    return std::optional<Redis>{
        std::in_place,
        Redis::Options{.addresses = config.redis, .node = {.password = config.redis_password}}};
}

std::unique_ptr<Cached> make_values(std::optional<Redis>& redis, const CacheConfig& config,
                                    const std::string& service) {
    const Cached::Options options{
        .channel = "invalidate_cache:" + service,
        .prefix = config.redis_prefix,
        .local = {.entries = config.local_entries, .bytes = config.local_bytes},
        .local_life = config.local_life,
        .redis_life = config.redis_life,
        .redis_jitter = std::chrono::milliseconds{config.redis_life} / 10,
        .absent_life = std::chrono::milliseconds{0}};
    return redis ? std::make_unique<Cached>(*redis, options) : std::make_unique<Cached>(options);
}

constexpr auto select_cursor = R"(
select pg_snapshot_xmin(pg_current_snapshot())::text)";

// The cursor first: what commits in between is read now, and again the next time.
Filter::Added added_since(domain::Pool& pool, const std::string& ids, const std::string& cursor) {
    return domain::transact(
        pool,
        [&](pqxx::work& tx) {
            Filter::Added added{.cursor = tx.query_value<std::string>(select_cursor), .ids = {}};
            const auto rows = tx.exec(ids, pqxx::params{cursor.empty() ? "0" : cursor});
            added.ids.reserve(static_cast<std::size_t>(rows.size()));
            for (const auto& row : rows) added.ids.push_back(row[0].as<std::int64_t>());
            return added;
        },
        {.attempts = cursor.empty() ? domain::start_attempts : 1});
}

}  // namespace

std::string ids_since(std::string_view table) {
    return std::format(
        "select id from {0} where added_in >= $1::xid8 "
        "union all select id from {0} where added_in is null and $1::xid8 = '0'",
        table);
}

ServiceCache::ServiceCache(const CacheConfig& config, const std::string& service)
    : filter_options_{.kind = config.filter},
      redis_(connect(config)),
      values_(make_values(redis_, config, service)) {}

void ServiceCache::filter(domain::Pool& pool, std::string_view table) {
    filter_.emplace(filter_options_, [&pool, ids = ids_since(table)](const std::string& cursor) {
        return added_since(pool, ids, cursor);
    });
    filter_->fill();
}

bool ServiceCache::might_exist(std::int64_t id) {
    if (!filter_ || filter_->might_exist(id)) return true;
    ++rejections_;
    return false;
}

void ServiceCache::invalidate_later(const std::string& key) {
    const std::scoped_lock lock(mutex_);
    later_.insert(key);
}

void ServiceCache::settle_after(outbox::Consumer& consumer, KeysOf keys_of) {
    consumer.on_repeat([this, keys_of = std::move(keys_of)](const outbox::Message& message) {
        try {
            for (const auto& key : keys_of(message)) invalidate_later(key);
        } catch (const outbox::PoisonMessage&) {
            // Its id came with another content before: this one has changed nothing.
        }
    });
    consumer.after_batch([this](bool others_at_work) { settle(others_at_work); });
}

void ServiceCache::settle(bool others_at_work) {
    std::set<std::string> keys;
    {
        const std::scoped_lock lock(mutex_);
        keys = std::exchange(later_, {});
        // Whoever named them may not have committed yet.
        auto again = others_at_work ? keys : std::set<std::string>{};
        keys.merge(again_);
        again_ = std::move(again);
    }
    if (!keys.empty()) values_->invalidate({keys.begin(), keys.end()});
}

void ServiceCache::add_metrics(Metrics& metrics) const {
    metrics.add_counter("cache_total",
                        "Look-ups and loads of what is remembered, by what became of them",
                        "outcome", [this] {
                            const auto& counts = values_->counts();
                            std::map<std::string, double> read;
                            const auto add = [&](const char* name, const auto& count) {
                                read.emplace(name, static_cast<double>(count.load()));
                            };
                            add("local_hit", counts.local_hits);
                            add("local_miss", counts.local_misses);
                            add("redis_hit", counts.redis_hits);
                            add("redis_miss", counts.redis_misses);
                            add("load", counts.loads);
                            add("coalesced", counts.coalesced);
                            add("refused_store", counts.refused_stores);
                            add("redis_error", counts.redis_failures);
                            add("filter_rejection", rejections_);
                            return read;
                        });
}

}  // namespace http

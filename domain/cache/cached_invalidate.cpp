// The half of Cached that forgets.

#include <nlohmann/json.hpp>

#include "domain/cache/cached.hpp"
#include "faults.hpp"

namespace domain::cache {
namespace {

// KEYS: key, mutex.
const Script drop_script{"return redis.call('DEL', KEYS[1], KEYS[2])"};
// ARGV: mark, life. Whoever loads it has lost the mutex.
const Script mark_script{R"lua(
redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[2])
return redis.call('DEL', KEYS[1]))lua"};

}  // namespace

// What Redis cannot be told now, it is told afterwards, unless this process dies.
void Cached::announce(const std::vector<std::string>& keys) {
    if (redis_ == nullptr || faults::mutant("no_announcement")) return;
    tell(keys, mark_script, {changing_mark, std::to_string(options_.mark_life.count())});
}

void Cached::invalidate(const std::vector<std::string>& keys) {
    faults::crash_point("before_invalidation");
    if (faults::mutant("no_invalidation")) return;
    if (redis_ != nullptr) {
        const auto untold = tell(keys, drop_script, {});
        if (!untold.empty()) owe(untold);
    }
    // Not before Redis: a get in between would bring the old answer back from there.
    forget(keys);
}

void Cached::forget(const std::vector<std::string>& keys) {
    const std::scoped_lock lock(mutex_);
    for (const auto& key : keys) {
        flights_.erase(key);
        local_.erase(key);
    }
}

void Cached::forget_everything() {
    const std::scoped_lock lock(mutex_);
    flights_.clear();
    local_.clear();
}

void Cached::hear(const std::string& message) {
    const auto keys = nlohmann::json::parse(message, nullptr, false);
    if (!keys.is_array()) return forget_everything();
    std::vector<std::string> texts;
    for (const auto& key : keys) {
        if (!key.is_string()) return forget_everything();
        texts.push_back(key.get<std::string>());
    }
    forget(texts);
}

// Removes keys in Redis by the script, and tells the other processes. Those for which that failed.
std::vector<std::string> Cached::tell(const std::vector<std::string>& keys, const Script& script,
                                      const Words& arguments) {
    std::vector<std::string> told;
    std::vector<std::string> untold;
    for (const auto& key : keys) {
        try {
            redis_->eval(script, in_redis(key), arguments);
            told.push_back(key);
        } catch (const RedisError&) {
            ++counts_.redis_failures;
            untold.push_back(key);
        }
    }
    if (told.empty()) return untold;
    try {
        redis_->publish(
            options_.prefix + options_.channel,
            nlohmann::json(told).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
    } catch (const RedisError&) {
        ++counts_.redis_failures;
        untold.insert(untold.end(), told.begin(), told.end());
    }
    return untold;
}

void Cached::owe(const std::vector<std::string>& keys) {
    const std::scoped_lock lock(mutex_);
    for (const auto& key : keys) {
        if (owed_.size() < options_.owed || owed_.contains(key)) ++owed_[key];
    }
    in_debt_ = !owed_.empty();
}

void Cached::pay() {
    if (!in_debt_) return;
    std::unordered_map<std::string, std::uint64_t> paying;
    {
        const std::scoped_lock lock(mutex_);
        paying = owed_;
    }
    std::vector<std::string> keys;
    keys.reserve(paying.size());
    for (const auto& [key, times] : paying) keys.push_back(key);
    for (const auto& key : tell(keys, drop_script, {})) paying.erase(key);
    const std::scoped_lock lock(mutex_);
    // What has been owed once more meanwhile may have changed after it was told.
    for (const auto& [key, times] : paying) {
        if (owed_.at(key) == times) owed_.erase(key);
    }
    in_debt_ = !owed_.empty();
}

// Redis may still have what was invalidated: not to be read before it is told.
bool Cached::owes(const std::string& key) {
    if (!in_debt_) return false;
    const std::scoped_lock lock(mutex_);
    return owed_.contains(key);
}

}  // namespace domain::cache

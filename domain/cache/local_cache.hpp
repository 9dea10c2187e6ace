// A bounded cache in memory: least recently used first out, and nothing older than its time.
//
//   LocalCache<std::string> cache{{.entries = 10000, .bytes = 64 << 20}};
//   cache.put("key", value, value.size(), 600s);
//   if (auto value = cache.get("key")) …
//
// An entry counts with its key's bytes and those that the caller says; one that is larger than the
// whole is not kept. Thread-safe.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <list>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

namespace domain::cache {

template <class Value>
class LocalCache {
public:
    using Clock = std::chrono::steady_clock;
    struct Options {
        std::size_t entries = 100'000;
        std::size_t bytes = std::size_t{64} << 20;
        std::function<Clock::time_point()> now = Clock::now;
    };

    explicit LocalCache(Options options) : options_(std::move(options)) {}

    std::optional<Value> get(std::string_view key) {
        const std::scoped_lock lock(mutex_);
        const auto found = index_.find(key);
        if (found == index_.end()) return std::nullopt;
        if (options_.now() >= found->second->expires) {
            remove(found->second);
            return std::nullopt;
        }
        entries_.splice(entries_.begin(), entries_, found->second);
        return found->second->value;
    }

    void put(const std::string& key, Value value, std::size_t bytes,
             std::chrono::milliseconds life) {
        const std::scoped_lock lock(mutex_);
        if (const auto found = index_.find(key); found != index_.end()) remove(found->second);
        const auto size = key.size() + bytes;
        if (size > options_.bytes || options_.entries == 0) return;
        while (entries_.size() >= options_.entries || bytes_ + size > options_.bytes)
            remove(std::prev(entries_.end()));
        entries_.push_front({key, std::move(value), size, options_.now() + life});
        index_.emplace(entries_.front().key, entries_.begin());
        bytes_ += size;
    }

    void erase(std::string_view key) {
        const std::scoped_lock lock(mutex_);
        if (const auto found = index_.find(key); found != index_.end()) remove(found->second);
    }

    void clear() {
        const std::scoped_lock lock(mutex_);
        index_.clear();
        entries_.clear();
        bytes_ = 0;
    }

    std::size_t size() const {
        const std::scoped_lock lock(mutex_);
        return entries_.size();
    }

    std::size_t bytes() const {
        const std::scoped_lock lock(mutex_);
        return bytes_;
    }

private:
    struct Entry {
        std::string key;
        Value value;
        std::size_t bytes;
        Clock::time_point expires;
    };
    using Place = typename std::list<Entry>::iterator;

    void remove(Place entry) {
        bytes_ -= entry->bytes;
        index_.erase(entry->key);
        entries_.erase(entry);
    }

    const Options options_;
    mutable std::mutex mutex_;
    std::list<Entry> entries_;  // the most recently used first
    std::unordered_map<std::string_view, Place> index_;
    std::size_t bytes_ = 0;
};

}  // namespace domain::cache

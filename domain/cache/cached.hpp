// A read-through cache: memory over Redis over what loads the truth.
//
//   Cached cached{redis, {.channel = "invalidate_cache:account"}};
//   auto text = cached.get("get_order:1", [&] { return store::find_as_json(…); });
//   cached.invalidate({"get_order:1"});   // after the commit that changed it
//   cached.changing({"get_order:1"}, [&] { return transact(…); });  // or around it
//
// get() asks memory, then Redis, then load, which says nothing for what does not exist: that is
// remembered as well, but briefly. Of concurrent calls for one key in the process one loads and
// the others get its answer; of several processes the one that takes mutex:{KEY} in Redis loads,
// and the others wait for what it stores, at most Options::wait long. Redis away: get() loads, and
// what it loads is kept in memory for Options::unheard only; so it is when there is none at all.
// Throws what load throws, which is never remembered, and LoadTimeout.
//
// invalidate() removes keys here, in Redis and, by a message on the channel, in every process's
// memory. No answer from before it is stored after it:
//   - in Redis a load stores only while mutex:{KEY} holds its token, and invalidate() removes both;
//   - in memory a load stores only while it is the key's current one, and an invalidation, or a
//     message of one, makes it nobody's: whoever comes after it loads anew.
// What other processes have in memory may be older than the truth by the way of a message; by
// the life of an entry where a cluster's bus lost one; by nothing after a reconnect, which forgets
// everything. What Redis could not be told is told when it is back (Options::owed keys at most).
// changing() tells them before the change as well, and marks its keys in Redis: until it is over
// nobody stores them, and what is loaded meanwhile is kept in memory for Options::unheard only. So
// a process may die anywhere in it: its mark's life later the keys are as any other's. Of changes
// of one key at once, the first that ends takes the mark away. An entry's life in Redis bounds what
// is beyond that: what a process owed that died, and what a master was told that died before its
// replica heard. So decide nothing by a cache that must be right: stock, prices charged,
// permissions.
//
// Thread-safe.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <unordered_map>
#include <vector>

#include "domain/cache/local_cache.hpp"
#include "domain/cache/redis.hpp"
#include "domain/cache/subscription.hpp"

namespace domain::cache {

// Another thread's load of the same key took longer than a caller may wait.
struct LoadTimeout : std::runtime_error {
    using std::runtime_error::runtime_error;
};

class Cached {
public:
    using Value = std::optional<std::string>;  // nothing: it does not exist
    using Load = std::function<Value()>;

    struct Options {
        std::string channel = {};
        std::string prefix = {};  // of keys and channel in Redis, where several share it
        LocalCache<Value>::Options local = {};
        std::chrono::milliseconds local_life{600'000};
        std::chrono::milliseconds redis_life{900'000};
        std::chrono::milliseconds redis_jitter{90'000};  // up to that much more
        std::chrono::milliseconds absent_life{5'000};  // of what does not exist; 0: it is not kept
        std::chrono::milliseconds unheard{5'000};      // in memory, while no message would arrive
        std::chrono::milliseconds mutex_life{5'000};
        std::chrono::milliseconds mark_life{60'000};  // longer than any change takes
        std::chrono::milliseconds wait{1'000};        // for another process's load
        std::chrono::milliseconds load_wait{10'000};  // for another thread's
        std::size_t owed = 4096;
    };

    struct Counts {
        std::atomic<std::uint64_t> local_hits, local_misses, redis_hits, redis_misses, loads,
            coalesced, redis_failures, refused_stores;
    };

    explicit Cached(Options options);  // in memory only
    // redis must outlive it.
    Cached(Redis& redis, const Options& options);

    Value get(const std::string& key, const Load& load);
    void invalidate(const std::vector<std::string>& keys);

    // What change returns or throws, and then the keys are invalidated: a transaction that failed
    // may have been committed all the same.
    template <class Change>
    auto changing(const std::vector<std::string>& keys, const Change& change) {
        announce(keys);
        struct Invalidating {
            Cached& cached;
            const std::vector<std::string>& keys;
            ~Invalidating() { cached.invalidate(keys); }
        } const after{*this, keys};
        return change();
    }

    const Counts& counts() const { return counts_; }
    bool hears() const { return hears_; }  // whether invalidations of other processes arrive

private:
    using Milliseconds = std::chrono::milliseconds;
    static constexpr auto changing_mark = "changing";  // in a key's mutex; no loader's token
    struct Flight;                                     // a load that others wait for
    struct Answer {
        Value value;
        Milliseconds life;  // in memory; zero: not at all
    };

    Value lead(const std::string& key, const std::shared_ptr<Flight>& flight, const Load& load);
    Answer fetch(const std::string& key, const Load& load);
    Answer load_and_store(const std::string& key, const std::string& token, const Load& load);
    Words in_redis(const std::string& key) const;  // it and its mutex
    void release(const Words& keys, const std::string& token);
    Value call(const Load& load);
    Milliseconds life_of(const Value& value, Milliseconds otherwise) const;
    void forget(const std::vector<std::string>& keys);
    void forget_everything();
    void hear(const std::string& message);
    void announce(const std::vector<std::string>& keys);
    std::vector<std::string> tell(const std::vector<std::string>& keys, const Script& script,
                                  const Words& arguments);
    void owe(const std::vector<std::string>& keys);
    void pay();
    bool owes(const std::string& key);

    Redis* redis_ = nullptr;  // null: none
    const Options options_;
    Counts counts_{};
    std::atomic<bool> hears_ = false;
    std::atomic<bool> in_debt_ = false;

    std::mutex mutex_;  // of the two below; also held while an answer goes into memory
    std::unordered_map<std::string, std::shared_ptr<Flight>> flights_;
    // Keys that Redis has not been told of, with how often that failed.
    std::unordered_map<std::string, std::uint64_t> owed_;
    LocalCache<Value> local_;
    std::optional<Subscription> subscription_;  // last: calls into all of the above
};

}  // namespace domain::cache

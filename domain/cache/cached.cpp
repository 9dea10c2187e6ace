#include "domain/cache/cached.hpp"

#include <array>
#include <format>
#include <future>
#include <random>
#include <thread>
#include <utility>

#include "faults.hpp"

namespace domain::cache {
namespace {

using std::chrono::milliseconds;

// KEYS: key, mutex. Each runs whole or not at all.
// ARGV: token, life, mark. The value; or 1: the mutex is the caller's; 0: it is somebody else's;
// 2: it is marked, as the value changes.
const Script claim_script{R"lua(
local value = redis.call('GET', KEYS[1])
if value then return value end
if redis.call('SET', KEYS[2], ARGV[1], 'NX', 'PX', ARGV[2]) then return 1 end
if redis.call('GET', KEYS[2]) == ARGV[3] then return 2 end
return 0)lua"};
// ARGV: token, value, life. Whether it was stored.
const Script store_script{R"lua(
if redis.call('GET', KEYS[2]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
redis.call('DEL', KEYS[2])
return 1)lua"};
// ARGV: token.
const Script release_script{R"lua(
if redis.call('GET', KEYS[2]) == ARGV[1] then redis.call('DEL', KEYS[2]) end
return 1)lua"};

std::mt19937_64& random_numbers() {
    thread_local std::mt19937_64 numbers = [] {
        std::random_device device;
        std::seed_seq seed{device(), device(), device(), device()};
        return std::mt19937_64{seed};
    }();
    return numbers;
}

std::string new_token() {
    return std::format("{:016x}{:016x}", random_numbers()(), random_numbers()());
}

milliseconds up_to(milliseconds most) {
    return milliseconds{
        std::uniform_int_distribution<std::int64_t>{0, most.count()}(random_numbers())};
}

// In Redis, where there is no telling nothing from an empty value.
std::string encode(const Cached::Value& value) { return value ? "+" + *value : "-"; }

Cached::Value decode(const std::string& text) {
    if (!text.starts_with('+')) return std::nullopt;
    return text.substr(1);
}

}  // namespace

struct Cached::Flight {
    std::promise<Value> landing;
    std::shared_future<Value> landed = landing.get_future().share();
};

Cached::Cached(Options options) : options_(std::move(options)), local_(options_.local) {}

Cached::Cached(Redis& redis, const Options& options) : Cached(options) {
    redis_ = &redis;
    const auto forget_with = [this](bool hears) {
        return [this, hears] {
            hears_ = hears;
            forget_everything();
        };
    };
    subscription_.emplace(
        redis, options_.prefix + options_.channel,
        Subscription::Calls{.heard = forget_with(true),
                            .lost = forget_with(false),
                            .message = [this](const std::string& message) { hear(message); },
                            .idle = [this] { pay(); }});
}

Cached::Value Cached::get(const std::string& key, const Load& load) {
    const auto find = [&] {
        auto found = local_.get(key);
        if (found) ++counts_.local_hits;
        return found;
    };
    if (auto found = find()) return *std::move(found);
    ++counts_.local_misses;
    std::shared_ptr<Flight> flight;
    bool leads = false;
    {
        const std::scoped_lock lock(mutex_);
        // The flight that was under way a moment ago may just have landed.
        if (auto found = find()) return *std::move(found);
        auto& current = flights_[key];
        leads = current == nullptr;
        if (leads) current = std::make_shared<Flight>();
        flight = current;
    }
    if (leads) return lead(key, flight, load);
    ++counts_.coalesced;
    if (flight->landed.wait_for(options_.load_wait) != std::future_status::ready)
        throw LoadTimeout("the load of " + key + " takes too long");
    return flight->landed.get();
}

Cached::Value Cached::lead(const std::string& key, const std::shared_ptr<Flight>& flight,
                           const Load& load) {
    std::exception_ptr failure;
    Answer answer{};
    try {
        answer = fetch(key, load);
    } catch (...) {
        failure = std::current_exception();
    }
    {
        const std::scoped_lock lock(mutex_);
        const auto current = flights_.find(key);
        const bool is_current = current != flights_.end() && current->second == flight;
        if (is_current) flights_.erase(current);
        const bool may_store = is_current || faults::mutant("store_after_invalidation");
        if (!hears_) answer.life = std::min(answer.life, options_.unheard);
        if (may_store && answer.life.count() > 0)
            local_.put(key, answer.value, answer.value ? answer.value->size() : 0, answer.life);
    }
    if (failure) {
        flight->landing.set_exception(failure);
        std::rethrow_exception(failure);
    }
    flight->landing.set_value(answer.value);
    return answer.value;
}

Cached::Answer Cached::fetch(const std::string& key, const Load& load) {
    const auto deadline = std::chrono::steady_clock::now() + options_.wait;
    const auto token = new_token();
    try {
        while (redis_ != nullptr && !owes(key)) {
            const auto claim =
                redis_->eval(claim_script, in_redis(key),
                             {token, std::to_string(options_.mutex_life.count()), changing_mark});
            if (claim.kind == Reply::Kind::text) {
                ++counts_.redis_hits;
                auto value = decode(claim.text);
                const auto life = life_of(value, options_.local_life);
                return {.value = std::move(value), .life = life};
            }
            if (claim.integer == 1) return load_and_store(key, token, load);
            if (claim.integer == 2 || std::chrono::steady_clock::now() >= deadline) break;
            std::this_thread::sleep_for(milliseconds{5} + up_to(milliseconds{20}));
        }
    } catch (const RedisError&) {
        ++counts_.redis_failures;
    }
    if (redis_ != nullptr) ++counts_.redis_misses;
    auto value = call(load);
    const auto life = life_of(value, options_.unheard);
    return {.value = std::move(value), .life = life};
}

Cached::Answer Cached::load_and_store(const std::string& key, const std::string& token,
                                      const Load& load) {
    const auto keys = in_redis(key);
    Value value;
    try {
        ++counts_.redis_misses;
        value = call(load);
    } catch (...) {
        release(keys, token);
        throw;
    }
    const auto life = life_of(value, options_.redis_life + up_to(options_.redis_jitter));
    if (life.count() == 0) {
        release(keys, token);
        return {.value = std::move(value), .life = {}};
    }
    try {
        if (faults::mutant("store_without_token"))
            redis_->run(keys[0],
                        {"SET", keys[0], encode(value), "PX", std::to_string(life.count())});
        const auto stored =
            redis_->eval(store_script, keys, {token, encode(value), std::to_string(life.count())});
        if (stored.integer == 1)
            return {.value = value, .life = life_of(value, options_.local_life)};
        ++counts_.refused_stores;
        return {.value = std::move(value), .life = {}};
    } catch (const RedisError&) {
        ++counts_.redis_failures;
        return {.value = value, .life = life_of(value, options_.unheard)};
    }
}

Words Cached::in_redis(const std::string& key) const {
    const auto name = options_.prefix + key;
    return {name, mutex_of(name)};
}

void Cached::release(const Words& keys, const std::string& token) {
    try {
        redis_->eval(release_script, keys, {token});
    } catch (const RedisError&) {
        ++counts_.redis_failures;  // the mutex expires
    }
}

Cached::Value Cached::call(const Load& load) {
    ++counts_.loads;
    return load();
}

milliseconds Cached::life_of(const Value& value, milliseconds otherwise) const {
    return value ? otherwise : std::min(otherwise, options_.absent_life);
}

}  // namespace domain::cache

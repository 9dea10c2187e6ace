#include "domain/cache/cached.hpp"

#include <array>
#include <format>
#include <future>
#include <nlohmann/json.hpp>
#include <random>
#include <thread>
#include <utility>

#include "faults.hpp"

namespace domain::cache {
namespace {

using std::chrono::milliseconds;

// KEYS: key, mutex. Each runs whole or not at all.
// ARGV: token, life. The value; or 1: the mutex is the caller's; or 0: it is somebody else's.
const Script claim_script{R"lua(
local value = redis.call('GET', KEYS[1])
if value then return value end
if redis.call('SET', KEYS[2], ARGV[1], 'NX', 'PX', ARGV[2]) then return 1 end
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
const Script drop_script{"return redis.call('DEL', KEYS[1], KEYS[2])"};

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

Cached::Cached(Redis& redis, Options options)
    : redis_(redis),
      options_(std::move(options)),
      local_(options_.local),
      subscription_(redis_, options_.channel,
                    {.heard =
                         [this] {
                             hears_ = true;
                             forget_everything();
                         },
                     .lost =
                         [this] {
                             hears_ = false;
                             forget_everything();
                         },
                     .message = [this](const std::string& message) { hear(message); },
                     .idle = [this] { pay(); }}) {}

Cached::Value Cached::get(const std::string& key, const Load& load) {
    const auto find = [&] {
        auto found = local_.get(key);
        if (found) ++counts_.local_hits;
        return found;
    };
    if (auto found = find()) return *std::move(found);
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
        while (!owes(key)) {
            const auto claim = redis_.eval(claim_script, {key, mutex_of(key)},
                                           {token, std::to_string(options_.mutex_life.count())});
            if (claim.kind == Reply::Kind::text) {
                ++counts_.redis_hits;
                auto value = decode(claim.text);
                const auto life = life_of(value, options_.local_life);
                return {.value = std::move(value), .life = life};
            }
            if (claim.integer == 1) return load_and_store(key, token, load);
            if (std::chrono::steady_clock::now() >= deadline) break;
            std::this_thread::sleep_for(milliseconds{5} + up_to(milliseconds{20}));
        }
    } catch (const RedisError&) {
        ++counts_.redis_failures;
    }
    auto value = call(load);
    const auto life = life_of(value, options_.unheard);
    return {.value = std::move(value), .life = life};
}

Cached::Answer Cached::load_and_store(const std::string& key, const std::string& token,
                                      const Load& load) {
    const Words keys{key, mutex_of(key)};
    Value value;
    try {
        value = call(load);
    } catch (...) {
        try {
            redis_.eval(release_script, keys, {token});
        } catch (const RedisError&) {
            ++counts_.redis_failures;  // the mutex expires
        }
        throw;
    }
    const auto life = life_of(value, options_.redis_life + up_to(options_.redis_jitter));
    try {
        if (faults::mutant("store_without_token"))
            redis_.run(key, {"SET", key, encode(value), "PX", std::to_string(life.count())});
        const auto stored =
            redis_.eval(store_script, keys, {token, encode(value), std::to_string(life.count())});
        if (stored.integer == 1)
            return {.value = value, .life = life_of(value, options_.local_life)};
        ++counts_.refused_stores;
        return {.value = std::move(value), .life = {}};
    } catch (const RedisError&) {
        ++counts_.redis_failures;
        return {.value = value, .life = life_of(value, options_.unheard)};
    }
}

Cached::Value Cached::call(const Load& load) {
    ++counts_.loads;
    return load();
}

milliseconds Cached::life_of(const Value& value, milliseconds otherwise) const {
    return value ? otherwise : std::min(otherwise, options_.absent_life);
}

void Cached::invalidate(const std::vector<std::string>& keys) {
    const auto untold = tell(keys);
    if (!untold.empty()) owe(untold);
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

// Removes keys in Redis, and tells the other processes. Those for which that failed.
std::vector<std::string> Cached::tell(const std::vector<std::string>& keys) {
    std::vector<std::string> told;
    std::vector<std::string> untold;
    for (const auto& key : keys) {
        try {
            redis_.eval(drop_script, {key, mutex_of(key)}, {});
            told.push_back(key);
        } catch (const RedisError&) {
            ++counts_.redis_failures;
            untold.push_back(key);
        }
    }
    if (told.empty()) return untold;
    try {
        redis_.publish(
            options_.channel,
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
    for (const auto& key : tell(keys)) paying.erase(key);
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

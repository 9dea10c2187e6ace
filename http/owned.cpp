#include "http/owned.hpp"

#include <charconv>
#include <format>

#include "faults.hpp"

namespace http {

std::optional<std::string> show_owned(
    ServiceCache& cache, const std::string& key, std::int64_t id,
    const std::function<std::optional<Owned>()>& load,
    const std::function<bool(domain::CustomerId owner)>& may_be_seen) {
    if (!cache.might_exist(id)) return std::nullopt;
    bool loaded = false;
    auto text = cache.values().get(key, [&]() -> domain::cache::Cached::Value {
        const auto owned = load();
        loaded = true;
        if (!owned) return std::nullopt;
        return std::format("{}\n{}", owned->owner.value, owned->body);
    });
    if (!text) return std::nullopt;
    domain::CustomerId owner{-1};  // nobody
    const auto* const end = text->data() + text->size();
    const auto parsed = std::from_chars(text->data(), end, owner.value);
    if (parsed.ptr == end || *parsed.ptr != '\n') return std::nullopt;
    if (!may_be_seen(owner) && (loaded || !faults::mutant("owner_before_cache")))
        return std::nullopt;
    text->erase(0, static_cast<std::size_t>(parsed.ptr - text->data()) + 1);
    return text;
}

}  // namespace http

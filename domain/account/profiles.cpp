#include "domain/account/profiles.hpp"

#include <nlohmann/json.hpp>
#include <outbox/append.hpp>

#include "domain/account/account_events.hpp"
#include "domain/account/account_store.hpp"
#include "domain/transact.hpp"

namespace domain::account {
namespace {

using nlohmann::json;
using Reason = Refusal::Reason;

// personal or delivery: the same but for the words.
template <class Part>
tl::expected<void, Refusal> change_part(Pool& pool, CustomerId id, const Part& part,
                                        const char* name, const char* unique, const Trace& trace) {
    if (auto checked = check(part); !checked) return checked;
    const auto run = [&](pqxx::work& tx) -> tl::expected<void, Refusal> {
        if (!store::save(tx, id, part))
            return tl::unexpected(Refusal{Reason::unknown, "there is no such account"});
        outbox::append(tx, {.aggregate_type = "account",
                            .aggregate_id = std::to_string(id.value),
                            .type = "AccountChanged",
                            .content = outbox::Json{account_changed(id, name)},
                            .headers = trace.headers()});
        return {};
    };
    try {
        return transact(pool, run);
    } catch (const pqxx::unique_violation&) {
        return tl::unexpected(Refusal{Reason::conflict, "another account has it already", unique});
    }
}

std::string personal_key(CustomerId id) { return "get_personal:" + std::to_string(id.value); }
std::string delivery_key(CustomerId id) { return "get_delivery:" + std::to_string(id.value); }

}  // namespace

std::optional<Personal> StoredProfiles::personal(CustomerId id) {
    return query(pool_, [&](auto& tx) { return store::personal(tx, id); });
}

std::optional<Delivery> StoredProfiles::delivery(CustomerId id) {
    return query(pool_, [&](auto& tx) { return store::delivery(tx, id); });
}

tl::expected<void, Refusal> StoredProfiles::change(CustomerId id, const Personal& personal,
                                                   const Trace& trace) {
    return change_part(pool_, id, personal, "personal", "email", trace);
}

tl::expected<void, Refusal> StoredProfiles::change(CustomerId id, const Delivery& delivery,
                                                   const Trace& trace) {
    return change_part(pool_, id, delivery, "delivery", "phone_number", trace);
}

std::optional<Personal> CachedProfiles::personal(CustomerId id) {
    const auto text = cache_.get(personal_key(id), [&]() -> cache::Cached::Value {
        const auto found = profiles_.personal(id);
        if (!found) return std::nullopt;
        return json::array({found->first_name, found->last_name, found->email}).dump();
    });
    if (!text) return std::nullopt;
    const auto parts = json::parse(*text);
    return Personal{parts.at(0), parts.at(1), parts.at(2)};
}

std::optional<Delivery> CachedProfiles::delivery(CustomerId id) {
    const auto text = cache_.get(delivery_key(id), [&]() -> cache::Cached::Value {
        const auto found = profiles_.delivery(id);
        if (!found) return std::nullopt;
        return json::array({found->address, found->phone_number}).dump();
    });
    if (!text) return std::nullopt;
    const auto parts = json::parse(*text);
    return Delivery{parts.at(0), parts.at(1)};
}

tl::expected<void, Refusal> CachedProfiles::change(CustomerId id, const Personal& personal,
                                                   const Trace& trace) {
    return cache_.changing({personal_key(id)},
                           [&] { return profiles_.change(id, personal, trace); });
}

tl::expected<void, Refusal> CachedProfiles::change(CustomerId id, const Delivery& delivery,
                                                   const Trace& trace) {
    return cache_.changing({delivery_key(id)},
                           [&] { return profiles_.change(id, delivery, trace); });
}

}  // namespace domain::account

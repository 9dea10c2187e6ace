#include "park.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <pqxx/pqxx>

namespace outbox {
namespace {

// As PostgreSQL keeps text: what a handler throws may quote any bytes.
std::string as_text(const std::string& bytes) {
    using nlohmann::json;
    constexpr std::size_t longest = 10'000;
    const auto quoted =
        json(bytes.substr(0, longest)).dump(-1, ' ', false, json::error_handler_t::replace);
    auto text = json::parse(quoted).get<std::string>();
    std::ranges::replace(text, '\0', ' ');
    return text;
}

constexpr auto park_sql = R"(
insert into inbox.dead_letter (consumer, event_id, topic, partition, "offset", key, type, headers, payload, attempts,
                               error, behind)
values ($1, coalesce($2, md5($13)::uuid), $3, $4, $5, nullif($6, ''), $7, $8::jsonb, $9, $10, $11, $12)
on conflict (consumer, event_id) do update
set attempts = excluded.attempts, error = excluded.error, behind = excluded.behind, parked_at = excluded.parked_at,
    resolved_at = null, resolution = null
where dead_letter.resolved_at is not null)";

}  // namespace

void park(pqxx::transaction_base& tx, const std::string& consumer, const Delivery& delivery,
          const std::string& error, const std::optional<std::string>& behind) {
    const auto& message = delivery.message;
    // A malformed message has no id to park it under; where it lies names it as well.
    const auto id =
        delivery.malformed.empty() ? std::optional{message.id.to_string()} : std::nullopt;
    const auto headers = nlohmann::json(message.headers)
                             .dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
    tx.exec(park_sql,
            pqxx::params{consumer, id, message.topic, message.partition, message.offset,
                         message.key, message.type, headers, pqxx::binary_cast(message.payload),
                         delivery.attempts, as_text(error), behind, delivery.source()});
}

}  // namespace outbox

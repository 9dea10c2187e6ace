#include "relay/dead_letters.hpp"

#include <optional>

#include "faults.hpp"

namespace relay {
namespace {

// A crash repeats what is parked already; a replayed history may have refused anew what was
// published after all. What an operator has skipped stays skipped.
constexpr auto park_sql = R"(
insert into outbox.dead_letter as d (shard, seq, event_id, topic, key, error, behind, attempts)
values ($1, $2, $3, $4, $5, $6, $7, ($7::uuid is null)::int)
on conflict (event_id) do update
set topic = excluded.topic, error = excluded.error, behind = excluded.behind, attempts = d.attempts + excluded.attempts,
    resolved_at = null, resolution = null
where d.resolution = 'published')";

}  // namespace

DeadLetters::DeadLetters(Connection& connection, int shard)
    : connection_{connection}, shard_{shard} {
    const auto open = connection_.run(
        "select distinct on (topic, key) topic, key, coalesce(behind, event_id) "
        "from outbox.dead_letter where shard = $1 and resolved_at is null "
        "order by topic, key, behind nulls first",
        {std::to_string(shard)});
    for (int row = 0; row < open.rows(); ++row)
        blocked_.emplace(name(open.at(row, 0), open.at(row, 1)), open.at(row, 2));
}

std::string DeadLetters::name(std::string_view topic, std::string_view key) {
    return std::string{topic} + '\0' + std::string{key};
}

const std::string* DeadLetters::blocking(std::string_view topic, std::string_view key) {
    if (blocked_.empty()) return nullptr;
    const auto found = blocked_.find(name(topic, key));
    if (found == blocked_.end()) return nullptr;
    // Mostly it is as it was; only then is it a matter of one key of the primary key's index.
    if (connection_
            .run("select from outbox.dead_letter where event_id = $1 and resolved_at is null",
                 {found->second})
            .rows() > 0)
        return &found->second;
    const auto open = connection_.run(
        "select coalesce(behind, event_id) from outbox.dead_letter "
        "where shard = $1 and topic = $2 and key = $3 and resolved_at is null "
        "order by behind nulls first limit 1",
        {std::to_string(shard_), std::string{topic}, std::string{key}});
    if (open.rows() == 0) {
        blocked_.erase(found);
        return nullptr;
    }
    found->second = open.at(0, 0);
    return &found->second;
}

void DeadLetters::park(const Row& row, const std::string& topic, const std::string& error,
                       const std::string* behind) {
    if (faults::mutant("silent_skip")) return;
    const auto id = to_string(row.id);
    connection_.run(park_sql, {std::to_string(shard_), std::to_string(row.seq), id, topic,
                               std::string{row.aggregate_id}, error,
                               behind != nullptr ? std::optional{*behind} : std::nullopt});
    blocked_.emplace(name(topic, row.aggregate_id), id);
}

}  // namespace relay

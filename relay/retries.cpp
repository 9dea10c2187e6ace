#include "relay/retries.hpp"

#include <spdlog/spdlog.h>

#include <optional>
#include <utility>
#include <vector>

namespace relay {
namespace {

constexpr auto letters_sql = R"(
select l.seq, l.id, l.aggregatetype, l.aggregateid, l.type, l.payload, l.body, l.content_type, l.headers,
       null::timestamptz, (select e.created_at from outbox.event e where e.seq = l.seq)
from outbox.read_letters($1::uuid, $2::int) l)";

}  // namespace

Retries::Retries(Connection& connection, int shard, Courier courier)
    : connection_{connection}, shard_{shard}, courier_{std::move(courier)} {
    connection_.prepare("letters", letters_sql);
}

std::size_t Retries::publish_some() {
    const auto head = oldest_request();
    if (head.empty()) {
        courier_.rest();
        return 0;
    }
    auto batch = Courier::read(connection_, "letters", {head, courier_.most_rows()});
    if (!batch) {
        connection_.run("select outbox.retried($1, '{}', null, null)", {head});
        courier_.forget_refusals();
        return 0;
    }
    const auto outcome = courier_.deliver(std::move(batch));
    report(head, outcome);
    return outcome.published;
}

std::string Retries::oldest_request() {
    const auto request = connection_.run(
        "select event_id from outbox.retry where shard = $1 order by requested_at, event_id "
        "limit 1",
        {std::to_string(shard_)});
    return request.rows() == 0 ? std::string{} : std::string{request.at(0, 0)};
}

void Retries::report(const std::string& head, const Courier::Outcome& outcome) {
    std::vector<std::string> ids;
    ids.reserve(outcome.published);
    for (std::size_t i = 0; i < outcome.published; ++i)
        ids.push_back(to_string(courier_.rows()[i].id));
    std::optional<std::string> refused;
    if (outcome.refusal) {
        const auto& row = courier_.rows()[outcome.published];
        refused = to_string(row.id);
        spdlog::error("event {} ({}, key {}) was refused again: {}", *refused, row.type,
                      row.aggregate_id, *outcome.refusal);
    }
    connection_.run("select outbox.retried($1, $2, $3, $4)",
                    {head, as_array(ids), refused, outcome.refusal});
    if (outcome.published > 0)
        spdlog::info("published {} events that waited for {}", outcome.published, head);
}

}  // namespace relay

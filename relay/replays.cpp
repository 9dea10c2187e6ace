#include "relay/replays.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

namespace relay {
namespace {

using namespace std::chrono_literals;
constexpr auto pause = 100ms;  // in which the allowance grows to a batch

constexpr auto request_sql = R"(
select id, cursor, rate, topic, total, done from outbox.replay
where shard = $1::int and state = 'running' order by id limit 1)";
constexpr auto history_sql = R"(
select r.seq, r.id, r.aggregatetype, r.aggregateid, r.type, r.payload, r.body, r.content_type, r.headers,
       null::timestamptz, (select e.created_at from outbox.event e where e.seq = r.seq)
from outbox.read_replay($1::bigint, $2::bigint, $3::bigint, $4::int) r)";

}  // namespace

Replays::Replays(const Settings& settings, const std::stop_token& stop, Connection& connection,
                 std::function<void()> check)
    : settings_{settings}, stop_{stop}, connection_{connection}, check_{std::move(check)} {
    connection_.prepare("history", history_sql);
}

std::size_t Replays::Allowance::grow(double rate) {
    const auto now = Clock::now();
    const std::chrono::duration<double> passed = now - counted;
    counted = now;
    events = std::min(rate, events + (rate * passed.count()));
    return static_cast<std::size_t>(events);
}

void Replays::publish_some() {
    const auto request = connection_.run(request_sql, {std::to_string(settings_.shard)});
    if (request.rows() == 0) {
        replay_.reset();
        return;
    }
    if (!replay_ || replay_->id != request.at(0, 0)) follow(request);
    if (!replay_) return;
    const auto allowed = replay_->allowance.grow(static_cast<double>(request.number(0, 2)));
    const auto most = std::min<std::size_t>(allowed, std::stoul(replay_->courier.most_rows()));
    if (most > 0) turn(request.number(0, 1), most);
    next_ = Clock::now();
    if (replay_->allowance.events < 1) next_ += pause;
}

void Replays::follow(const Result& request) {
    auto kafka = settings_.kafka;
    std::string fault;
    if (!request.null(0, 3)) {
        fault = fault_of_topic(request.at(0, 3));
        if (fault.empty()) kafka.routing = Routing{request.at(0, 3)};
    }
    replay_.emplace(Replay{.id = std::string{request.at(0, 0)},
                           .courier = Courier{settings_, std::move(kafka), stop_, check_},
                           .allowance = {}});
    spdlog::info("replay {}: {} of {} events are published", replay_->id, request.at(0, 5),
                 request.at(0, 4));
    if (fault.empty()) return;
    report(request.number(0, 1), std::string{request.at(0, 1)}, 0, fault);
    replay_.reset();
}

void Replays::turn(std::int64_t cursor, std::size_t most) {
    const auto after = std::to_string(cursor);
    const auto end =
        connection_.run("select outbox.next_turn($1::bigint, $2::bigint)", {replay_->id, after});
    if (end.null(0, 0)) {
        report(cursor, std::nullopt, 0, std::nullopt);
        return;
    }
    const std::string until{end.at(0, 0)};
    auto& courier = replay_->courier;
    auto batch =
        Courier::read(connection_, "history", {replay_->id, after, until, std::to_string(most)});
    if (!batch) {
        report(cursor, until, 0, std::nullopt);
        return;
    }
    const auto outcome = courier.deliver(std::move(batch));
    replay_->allowance.events -= static_cast<double>(courier.rows().size());
    const auto published = outcome.published;
    report(cursor, published > 0 ? std::to_string(courier.rows()[published - 1].seq) : after,
           published, outcome.refusal);
}

void Replays::report(std::int64_t cursor, const std::optional<std::string>& new_cursor,
                     std::size_t published, const std::optional<std::string>& refusal) {
    connection_.run(
        "select outbox.replayed($1::bigint, $2::bigint, $3::bigint, $4::bigint, $5)",
        {replay_->id, std::to_string(cursor), new_cursor, std::to_string(published), refusal});
    if (refusal) spdlog::error("replay {} has failed: {}", replay_->id, *refusal);
}

}  // namespace relay

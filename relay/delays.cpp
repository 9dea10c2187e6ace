#include "relay/delays.hpp"

#include <spdlog/spdlog.h>

#include <utility>

#include "faults.hpp"

namespace relay {
namespace {

using namespace std::chrono_literals;
constexpr auto breather = 250ms;  // after nothing was found, whatever was said to be due

// The lease is looked at so that no zombie notes what its successor has published.
constexpr auto note_sql = R"(
insert into outbox.delayed (shard, seq, event_id, due_at)
select l.shard, e.seq, e.id, e.available_at
from outbox.lease l join outbox.event e on e.seq = any ($3::bigint[])
where l.shard = $1::int and l.epoch = $2::bigint
on conflict do nothing)";

constexpr auto due_sql = R"(
select d.seq, d.id, d.aggregatetype, d.aggregateid, d.type, d.payload, d.body, d.content_type, d.headers,
       null::timestamptz, (select e.created_at from outbox.event e where e.seq = d.seq)
from outbox.read_due($1::int, $2::int) d)";

}  // namespace

Delays::Delays(Connection& connection, int shard, Courier courier, DeadLetters& dead_letters,
               Status& status)
    : connection_{connection},
      shard_{shard},
      courier_{std::move(courier)},
      dead_letters_{dead_letters},
      status_{status} {
    connection_.prepare("due", due_sql);
}

void Delays::note(const Batch& batch, std::int64_t epoch) {
    if (!faults::mutant("forget_delayed"))
        connection_.run(note_sql,
                        {std::to_string(shard_), std::to_string(epoch), as_array(batch.delayed)});
    next_ = {};
    faults::crash_point("after_note");
}

std::size_t Delays::publish_some() {
    auto batch = Courier::read(connection_, "due", {std::to_string(shard_), courier_.most_rows()});
    if (!batch) {
        courier_.rest();
        next_ = Clock::now() + breather;
        return 0;
    }
    const auto waiting = take_waiting(*batch);
    const auto outcome = courier_.deliver(std::move(batch));
    report(outcome, waiting);
    return outcome.published;
}

std::vector<Delays::Waiting> Delays::take_waiting(Batch& batch) {
    std::vector<Waiting> waiting;
    std::erase_if(batch.rows, [&](const Row& row) {
        const auto& topic = courier_.topic_name(row);
        const auto* behind = dead_letters_.blocking(topic, row.aggregate_id);
        if (behind != nullptr) waiting.push_back({row, topic, *behind});
        return behind != nullptr;
    });
    return waiting;
}

void Delays::report(const Courier::Outcome& outcome, const std::vector<Waiting>& waiting) {
    std::vector<std::int64_t> done;
    connection_.run("begin");
    for (const auto& [row, topic, behind] : waiting) {
        dead_letters_.park(row, topic, "waits behind " + behind, &behind);
        done.push_back(row.seq);
    }
    for (std::size_t i = 0; i < outcome.published; ++i) done.push_back(courier_.rows()[i].seq);
    if (outcome.refusal) {
        const auto& row = courier_.rows()[outcome.published];
        dead_letters_.park(row, courier_.topic_name(row), *outcome.refusal, nullptr);
        done.push_back(row.seq);
        status_.dead_lettered.Increment();
        spdlog::error("event {} ({}, key {}), which was delayed, is dead: {}. See outbox.dead",
                      to_string(row.id), row.type, row.aggregate_id, *outcome.refusal);
    }
    connection_.run("delete from outbox.delayed where seq = any ($1::bigint[])", {as_array(done)});
    connection_.run("commit");
}

}  // namespace relay

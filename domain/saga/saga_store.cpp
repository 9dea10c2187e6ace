#include "domain/saga/saga_store.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <faults.hpp>
#include <pqxx/pqxx>
#include <utility>

#include "domain/numbers.hpp"
#include "outbox/prepared.hpp"

namespace domain::saga::store {
namespace {

constexpr auto insert_sagas = R"(
insert into saga.instance (id, state, step, tries, covered, deadline, purchase, traceparent, correlation_id,
                           tracestate)
select i.id, i.state, i.step, i.tries, i.covered, clock_timestamp() + $6 * interval '1 millisecond',
       i.purchase::jsonb, i.traceparent, i.correlation_id, i.tracestate
from unnest($1::bigint[], $2::text[], $3::int[], $4::int[], $5::int[], $7::text[], $8::text[], $9::text[],
            $10::text[])
     i (id, state, step, tries, covered, purchase, traceparent, correlation_id, tracestate)
on conflict (id) do nothing
returning id)";

constexpr auto select_for_update = R"(
select id, state, step, tries, covered, stuck_at is not null, purchase, traceparent, correlation_id, tracestate
from saga.instance where id = any ($1) order by id for update)";

constexpr auto select_due = R"(
select i.id, i.state, i.step, i.tries, i.covered, i.stuck_at is not null, i.purchase, i.traceparent,
       i.correlation_id, i.tracestate, a.action, a.step, a.success, a.reason
from saga.instance i left join saga.audit a on a.n = i.request
where i.wake <= statement_timestamp() and i.id <> all ($1)
order by i.wake limit 1 for update of i skip locked)";

constexpr auto update_sagas = R"(
update saga.instance i
set state = c.state, step = c.step, tries = c.tries, covered = c.covered,
    stuck_at = case when c.stuck then coalesce(i.stuck_at, clock_timestamp()) end,
    deadline = case when not c.ended
                    then coalesce(clock_timestamp() + c.wait * interval '1 millisecond', i.deadline) end,
    updated_at = clock_timestamp()
from unnest($1::bigint[], $2::text[], $3::int[], $4::int[], $5::int[], $6::bool[], $7::bool[], $8::bigint[])
     c (id, state, step, tries, covered, stuck, ended, wait)
where i.id = c.id)";

// An array of arrays would have to be rectangular.
constexpr auto insert_steps = R"(
insert into saga.step (saga_id, input, detail, event_id, traceparent, decision, sent, sent_ids)
select e.saga_id, e.input, e.detail, e.event_id, e.traceparent, e.decision,
       string_to_array(e.sent, ','), string_to_array(e.sent_ids, ',')::uuid[]
from unnest($1::bigint[], $2::text[], $3::text[], $4::uuid[], $5::text[], $6::text[], $7::text[], $8::text[])
     with ordinality e (saga_id, input, detail, event_id, traceparent, decision, sent, sent_ids, n)
order by e.n)";

constexpr std::array state_names{"EXECUTING", "COMPENSATING", "COMPLETED", "COMPENSATED"};

const char* to_string(State state) { return state_names.at(std::to_underlying(state)); }

State parse_state(const std::string& text) {
    const auto* const found = std::ranges::find(state_names, text);
    if (found == state_names.end()) std::abort();  // only our own rows are read with it
    return static_cast<State>(found - state_names.begin());
}

template <class SqlRow>
Row read(const SqlRow& row) {
    return {PurchaseId{row[0].template as<std::int64_t>()},
            {.state = parse_state(row[1].template as<std::string>()),
             .step = Step{row[2].template as<int>()},
             .tries = row[3].template as<int>(),
             .covered = row[4].template as<int>(),
             .stuck = row[5].template as<bool>()},
            row[6].template as<std::string>(),
            {row[7].template as<std::string>(), row[8].template as<std::string>(),
             row[9].template as<std::string>()}};
}

template <class Field>
Input read_request(const Field& action, const Field& step, const Field& success) {
    if (action.is_null()) return TimedOut{};
    const auto name = action.template as<std::string>();
    if (name == "retry") return Retry{};
    if (name == "compensate") return Compensate{};
    return Force{Step{step.template as<int>()}, success.template as<bool>()};
}

}  // namespace

std::set<PurchaseId> insert(pqxx::transaction_base& tx, std::span<const Row> rows,
                            std::chrono::milliseconds wait) {
    std::set<PurchaseId> inserted;
    if (rows.empty()) return inserted;
    std::vector<std::int64_t> ids;
    std::vector<std::string> states, purchases, traceparents, correlation_ids, tracestates;
    std::vector<int> steps, tries, covered;
    for (const auto& [id, saga, purchase, trace] : rows) {
        ids.push_back(id.value);
        states.emplace_back(to_string(saga.state));
        steps.push_back(std::to_underlying(saga.step));
        tries.push_back(saga.tries);
        covered.push_back(saga.covered);
        purchases.push_back(purchase);
        traceparents.push_back(trace.traceparent);
        correlation_ids.push_back(trace.correlation_id);
        tracestates.push_back(trace.tracestate);
    }
    for (const auto& [id] :
         outbox::exec(tx, insert_sagas,
                      pqxx::params{ids, states, steps, tries, covered, wait.count(), purchases,
                                   traceparents, correlation_ids, tracestates})
             .iter<std::int64_t>())
        inserted.insert(PurchaseId{id});
    return inserted;
}

std::map<PurchaseId, Row> lock(pqxx::transaction_base& tx, const std::set<PurchaseId>& ids) {
    std::map<PurchaseId, Row> found;
    for (const auto& row : outbox::exec(tx, select_for_update, pqxx::params{numbers(ids)})) {
        auto one = read(row);
        found.emplace(one.id, std::move(one));
    }
    return found;
}

std::optional<Due> lock_due(pqxx::transaction_base& tx, const std::vector<std::int64_t>& passed) {
    const auto row = outbox::exec(tx, select_due, pqxx::params{passed}).opt_row();
    if (!row) return std::nullopt;
    return Due{read(*row), read_request((*row)[10], (*row)[11], (*row)[12]),
               (*row)[13].as<std::string>("")};
}

void save(pqxx::transaction_base& tx, std::span<const Change> changes) {
    if (changes.empty() || faults::mutant("step_not_persisted")) return;
    std::vector<std::int64_t> ids;
    std::vector<std::string> states;
    std::vector<int> steps, tries, covered;
    std::vector<std::string> stuck, ended;
    std::vector<std::optional<std::string>> waits;
    for (const auto& [id, saga, wait] : changes) {
        ids.push_back(id.value);
        states.emplace_back(to_string(saga.state));
        steps.push_back(std::to_underlying(saga.step));
        tries.push_back(saga.tries);
        covered.push_back(saga.covered);
        stuck.push_back(pqxx::to_string(saga.stuck));
        ended.push_back(pqxx::to_string(saga.ended()));
        waits.push_back(wait ? std::optional{pqxx::to_string(wait->count())} : std::nullopt);
    }
    outbox::exec(tx, update_sagas,
                 pqxx::params{ids, states, steps, tries, covered, stuck, ended, waits})
        .no_rows();
}

void finish_request(pqxx::transaction_base& tx, PurchaseId id) {
    outbox::exec(tx, "update saga.instance set request = null where id = $1",
                 pqxx::params{id.value})
        .no_rows();
}

void write(pqxx::transaction_base& tx, std::span<const Entry> entries) {
    std::vector<std::int64_t> ids;
    std::vector<std::string> inputs, details, traceparents, decisions, sent, sent_ids;
    std::vector<std::optional<std::string>> events;
    for (const auto& entry : entries) {
        ids.push_back(entry.id.value);
        inputs.push_back(entry.input);
        details.push_back(entry.detail);
        events.push_back(entry.event ? std::optional{entry.event->to_string()} : std::nullopt);
        traceparents.push_back(entry.trace.traceparent);
        decisions.push_back(entry.decision);
        sent.push_back(pqxx::separated_list(",", entry.sent));
        sent_ids.push_back(pqxx::separated_list(",", entry.sent_ids));
    }
    outbox::exec(
        tx, insert_steps,
        pqxx::params{ids, inputs, details, events, traceparents, decisions, sent, sent_ids})
        .no_rows();
}

}  // namespace domain::saga::store

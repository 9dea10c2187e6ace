#include "domain/saga/saga_store.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <faults.hpp>
#include <pqxx/pqxx>
#include <utility>

namespace domain::saga::store {
namespace {

constexpr auto insert_saga = R"(
insert into saga.instance (id, state, step, tries, covered, deadline, purchase, traceparent, correlation_id)
values ($1, $2, $3, $4, $5, clock_timestamp() + $6 * interval '1 millisecond', $7, $8, $9)
on conflict (id) do nothing)";

constexpr auto select_for_update = R"(
select id, state, step, tries, covered, stuck_at is not null, purchase, traceparent, correlation_id
from saga.instance where id = $1 for update)";

constexpr auto select_due = R"(
select i.id, i.state, i.step, i.tries, i.covered, i.stuck_at is not null, i.purchase, i.traceparent,
       i.correlation_id, a.action, a.step, a.success, a.reason
from saga.instance i left join saga.audit a on a.n = i.request
where i.wake <= statement_timestamp() and i.id <> all ($1)
order by i.wake limit 1 for update of i skip locked)";

constexpr auto update_saga = R"(
update saga.instance
set state = $2, step = $3, tries = $4, covered = $5,
    stuck_at = case when $6 then coalesce(stuck_at, clock_timestamp()) end,
    deadline = case when $7 then null else coalesce(clock_timestamp() + $8 * interval '1 millisecond', deadline) end,
    updated_at = clock_timestamp()
where id = $1)";

constexpr auto insert_step = R"(
insert into saga.step (saga_id, input, detail, event_id, traceparent, decision, sent, sent_ids)
values ($1, $2, $3, $4, $5, $6, $7, $8::uuid[]))";

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
            {row[7].template as<std::string>(), row[8].template as<std::string>()}};
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

bool insert(pqxx::transaction_base& tx, const Row& row, std::chrono::milliseconds wait) {
    const auto& [id, saga, purchase, trace] = row;
    return tx.exec(insert_saga,
                   pqxx::params{id.value, to_string(saga.state), std::to_underlying(saga.step),
                                saga.tries, saga.covered, wait.count(), purchase, trace.traceparent,
                                trace.correlation_id})
               .affected_rows() == 1;
}

std::optional<Row> lock(pqxx::transaction_base& tx, PurchaseId id) {
    const auto row = tx.exec(select_for_update, pqxx::params{id.value}).opt_row();
    return row ? std::optional{read(*row)} : std::nullopt;
}

std::optional<Due> lock_due(pqxx::transaction_base& tx, const std::vector<std::int64_t>& passed) {
    const auto row = tx.exec(select_due, pqxx::params{passed}).opt_row();
    if (!row) return std::nullopt;
    return Due{read(*row), read_request((*row)[9], (*row)[10], (*row)[11]),
               (*row)[12].as<std::string>("")};
}

void save(pqxx::transaction_base& tx, const Row& row, const Decision& decision) {
    if (faults::mutant("step_not_persisted")) return;
    const auto& saga = decision.saga;
    if (saga == row.saga && !decision.wait) return;
    const auto wait = decision.wait ? std::optional{decision.wait->count()} : std::nullopt;
    tx.exec(update_saga,
            pqxx::params{row.id.value, to_string(saga.state), std::to_underlying(saga.step),
                         saga.tries, saga.covered, saga.stuck, saga.ended(), wait})
        .no_rows();
}

void finish_request(pqxx::transaction_base& tx, PurchaseId id) {
    tx.exec("update saga.instance set request = null where id = $1", pqxx::params{id.value})
        .no_rows();
}

void write(pqxx::transaction_base& tx, PurchaseId id, const Entry& entry) {
    const auto event = entry.event ? std::optional{entry.event->to_string()} : std::nullopt;
    tx.exec(insert_step,
            pqxx::params{id.value, entry.input, entry.detail, event, entry.trace.traceparent,
                         entry.decision, entry.sent, entry.sent_ids})
        .no_rows();
}

}  // namespace domain::saga::store

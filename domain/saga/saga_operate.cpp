#include "domain/saga/saga_operate.hpp"

#include <pqxx/pqxx>
#include <string_view>
#include <utility>

#include "domain/transact.hpp"

namespace domain::saga {
namespace {

constexpr auto select_saga = R"(
select json_build_object(
    'id', i.id, 'state', i.state, 'step', saga.step_name(i.step), 'tries', i.tries,
    'deadline', i.deadline, 'stuck_at', i.stuck_at, 'created_at', i.created_at,
    'timeline', (select coalesce(json_agg(t), '[]') from saga.timeline(i.id) t))
from saga.instance i where i.id = $1)";

constexpr auto select_in_flight = R"(
select coalesce(json_agg(f), '[]')
from (select * from saga.in_flight order by created_at limit 500) f)";

constexpr auto select_stuck = R"(
select coalesce(json_agg(s), '[]')
from (select * from saga.stuck order by stuck_at limit 500) s)";

constexpr auto count_by_state = R"(
select state, count(*) from saga.instance where wake is not null and deadline is not null group by state
union all
select 'STUCK', count(*) from saga.instance where stuck_at is not null)";

// For this transaction only: what is asked for over HTTP is asked for by an operator, by that way.
constexpr auto become_operator = R"(
set local role saga_operator; set local application_name = 'http')";

std::optional<Refusal::Reason> reason_of(std::string_view state) {
    if (state == "P0002") return Refusal::Reason::unknown;
    if (state == "55000") return Refusal::Reason::conflict;
    if (state == "22023") return Refusal::Reason::invalid;
    return std::nullopt;
}

// The first line of PostgreSQL's message, without its severity.
std::string words_of(std::string_view message) {
    constexpr std::string_view severity = "ERROR:  ";
    if (message.starts_with(severity)) message.remove_prefix(severity.size());
    return std::string{message.substr(0, message.find('\n'))};
}

tl::expected<std::string, Refusal> ask(Pool& pool, const char* call, const pqxx::params& values) {
    try {
        return transact(pool, [&](pqxx::work& tx) {
            tx.exec(become_operator);
            return tx.exec(call, values).one_field().as<std::string>();
        });
    } catch (const pqxx::sql_error& error) {
        const auto reason = reason_of(error.sqlstate());
        if (!reason) throw;
        return tl::unexpected(Refusal{*reason, words_of(error.what())});
    }
}

}  // namespace

std::optional<std::string> show(Pool& pool, PurchaseId id) {
    return query(pool, [&](pqxx::transaction_base& tx) -> std::optional<std::string> {
        const auto row = tx.exec(select_saga, pqxx::params{id.value}).opt_row();
        return row ? std::optional{(*row)[0].as<std::string>()} : std::nullopt;
    });
}

std::string list(Pool& pool, Which which) {
    return query(pool, [&](pqxx::transaction_base& tx) {
        return tx.query_value<std::string>(which == Which::stuck ? select_stuck : select_in_flight);
    });
}

std::map<std::string, double> count(Pool& pool) {
    return query(pool, [](pqxx::transaction_base& tx) {
        std::map<std::string, double> counts{{"EXECUTING", 0}, {"COMPENSATING", 0}};
        for (const auto& row : tx.exec(count_by_state))
            counts[row[0].as<std::string>()] = row[1].as<double>();
        return counts;
    });
}

int forget(Pool& pool, std::chrono::days keep, int most) {
    return transact(pool, [&](pqxx::work& tx) {
        return tx.query_value<int>("select saga.forget(make_interval(days => $1), $2)",
                                   pqxx::params{keep.count(), most});
    });
}

tl::expected<std::string, Refusal> retry(Pool& pool, PurchaseId id, const std::string& reason) {
    return ask(pool, "select to_json(saga.retry($1, $2))", pqxx::params{id.value, reason});
}

tl::expected<std::string, Refusal> compensate(Pool& pool, PurchaseId id,
                                              const std::string& reason) {
    return ask(pool, "select to_json(saga.compensate($1, $2))", pqxx::params{id.value, reason});
}

tl::expected<std::string, Refusal> force(Pool& pool, PurchaseId id, const Force& outcome,
                                         const std::string& reason) {
    return ask(pool, "select to_json(saga.force($1, $2, $3, $4))",
               pqxx::params{id.value, std::to_underlying(outcome.step), outcome.success, reason});
}

}  // namespace domain::saga

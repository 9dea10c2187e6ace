#include "chaos/effects.hpp"

#include <map>
#include <ostream>
#include <pqxx/pqxx>

#include "support/environment.hpp"

namespace chaos {
namespace {

// Nothing here is unique: that an effect comes once is the inbox's business alone.
constexpr auto create_sql = R"sql(
    create table effect (
        n bigint generated always as identity,
        event_id uuid not null, account text not null, version bigint, partition int, process int
    );
    create table total (account text primary key, changes bigint not null default 0);
    grant select, insert on effect to postroom_service;
    grant select, update on total to postroom_service
)sql";
constexpr auto fill_sql =
    "insert into total (account) select 'account-' || i from generate_series(1, $1) i";
constexpr auto effects_sql = "select event_id::text, count(*) from effect group by event_id";
constexpr auto applied_sql = "select count(*) from effect";
constexpr auto changes_sql = "select sum(changes)::bigint from total";
constexpr auto redelivered_sql =
    "select coalesce(sum(redeliveries), 0)::bigint from inbox.received";
constexpr auto out_of_order_sql = R"sql(
    select count(*) from (
        select version < max(version) over (partition by account order by n) as late from effect) e
    where late
)sql";
constexpr auto handovers_sql = R"sql(
    select count(*) from (
        select process <> lag(process) over (partition by partition order by n) as moved
        from effect) e
    where moved
)sql";
constexpr auto dead_sql = "select coalesce(string_agg(error, '; '), 'none') from inbox.dead";

}  // namespace

std::ostream& operator<<(std::ostream& out, const EffectVerdict& verdict) {
    return out << "committed=" << verdict.committed << " missing=" << verdict.missing
               << " twice=" << verdict.twice << " undead=" << verdict.undead
               << " changes=" << verdict.changes << " out_of_order=" << verdict.out_of_order;
}

Effects::Effects(int accounts) {
    pqxx::connection connection{database_.dsn()};
    pqxx::work tx{connection};
    tx.exec(create_sql);
    tx.exec(fill_sql, pqxx::params{accounts});
    tx.commit();
}

support::Process Effects::consumer(const std::string& topic, const std::string& group,
                                   const std::string& crash_point) const {
    return consumer(topic, group, {.environment = {{"POSTROOM_CRASH_AT", crash_point}}});
}

support::Process Effects::consumer(const std::string& topic, const std::string& group,
                                   const Member& member) const {
    return support::Process{
        {.argv = {support::bin("chaos_consumer"), "chaos", database_.dsn("postroom_service"),
                  member.brokers, topic, group, member.name},
         .env = member.environment}};
}

std::int64_t Effects::number(const char* sql) const {
    pqxx::connection connection{database_.dsn()};
    return pqxx::nontransaction{connection}.query_value<std::int64_t>(sql);
}

std::int64_t Effects::applied() const { return number(applied_sql); }

std::int64_t Effects::redelivered() const { return number(redelivered_sql); }

std::int64_t Effects::handovers() const { return number(handovers_sql); }

std::string Effects::dead_letters() const {
    pqxx::connection connection{database_.dsn()};
    return pqxx::nontransaction{connection}.query_value<std::string>(dead_sql);
}

EffectVerdict Effects::verdict(const Journal& journal) const {
    EffectVerdict verdict;
    verdict.changes = number(changes_sql);
    verdict.out_of_order = number(out_of_order_sql);
    std::map<std::string, int> effects;
    pqxx::connection connection{database_.dsn()};
    for (const auto& [id, times] :
         pqxx::nontransaction{connection}.query<std::string, int>(effects_sql)) {
        effects[id] = times;
    }
    const auto entries = journal.entries();
    for (const auto& [id, entry] : entries) {
        if (entry.outcome != Outcome::committed) continue;
        ++verdict.committed;
        if (!effects.contains(id)) ++verdict.missing;
    }
    for (const auto& [id, times] : effects) {
        if (times > 1) ++verdict.twice;
        const auto entry = entries.find(id);
        if (entry == entries.end() || entry->second.outcome == Outcome::aborted) ++verdict.undead;
    }
    return verdict;
}

}  // namespace chaos

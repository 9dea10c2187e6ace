#include "domain/leased_ids.hpp"

#include <ctime>
#include <stdexcept>
#include <utility>

#include "domain/transact.hpp"
#include "faults.hpp"

namespace domain {
namespace {

constexpr auto take_number = R"(
    with first as materialized (select nextval('machine') as number)
    insert into machine_leases as l
    select n.number, gen_random_uuid(), clock_timestamp() + make_interval(secs => $1)
    from first, generate_series(0, 65535) i, lateral (select (first.number + i) % 65536) n(number)
    where not exists (select from machine_leases held
                      where held.number = n.number and held.leased_until >= clock_timestamp())
    order by i limit 1
    on conflict (number) do update
        set holder = excluded.holder, leased_until = excluded.leased_until
        where l.leased_until < clock_timestamp()
    returning number, holder
)";

constexpr auto renew_number = R"(
    update machine_leases set leased_until = clock_timestamp() + make_interval(secs => $1)
    where number = $2 and holder = $3
)";

constexpr std::chrono::minutes again{1};  // after a renewal that failed

std::int64_t lease_s() {
    return faults::mutant("unleased") ? 0 : std::chrono::seconds{LeasedIds::lease}.count();
}

}  // namespace

std::chrono::nanoseconds LeasedIds::since_boot() {
    timespec now{};
    ::clock_gettime(CLOCK_BOOTTIME, &now);
    return std::chrono::seconds{now.tv_sec} + std::chrono::nanoseconds{now.tv_nsec};
}

LeasedIds::LeasedIds(Pool& pool, Elapsed elapsed) : pool_(pool), elapsed_(std::move(elapsed)) {
    const std::scoped_lock lock(mutex_);
    take(start_attempts);
}

std::int64_t LeasedIds::next() {
    const std::scoped_lock lock(mutex_);
    keep();
    return ids_.next();
}

void LeasedIds::keep() {
    const auto now = elapsed_();
    if (now < renew_at_) return;
    if (now < ends_at_) {
        renew_at_ = now + again;
        try {
            renew(now);
        } catch (const std::exception&) {
            // There is time for another try; the last one tells.
        }
    }
    if (now >= ends_at_) take(TransactOptions{}.attempts);
}

void LeasedIds::renew(std::chrono::nanoseconds now) {
    const auto renewed = transact(
        pool_,
        [&](pqxx::work& tx) {
            return tx.exec(renew_number, pqxx::params{lease_s(), number_, holder_}).affected_rows();
        },
        {.repeatable = true});
    // Else it is another's already: a failover may have taken our lease back.
    if (renewed == 1) return begin(now);
    ends_at_ = now;
}

void LeasedIds::take(int attempts) {
    constexpr int others = 10;  // may take the same one at the same time
    for (int other = 0; other < others; ++other) {
        const auto now = elapsed_();
        const auto taken = transact(
            pool_, [&](pqxx::work& tx) { return tx.exec(take_number, pqxx::params{lease_s()}); },
            {.attempts = attempts, .repeatable = true});
        if (taken.empty()) continue;
        number_ = taken[0][0].as<std::uint16_t>();
        holder_ = taken[0][1].as<std::string>();
        ids_.use(number_);
        return begin(now);
    }
    throw std::runtime_error(
        "there is no free machine number for ids: see machine_leases, or give --machine-id");
}

// As of when it was asked for: the database counts from later.
void LeasedIds::begin(std::chrono::nanoseconds now) {
    renew_at_ = now + lease / 3;
    ends_at_ = now + lease * 5 / 6;
}

}  // namespace domain

#include "domain/purchase/purchase_store.hpp"

#include <pqxx/pqxx>

#include "domain/numbers.hpp"
#include "outbox/prepared.hpp"

namespace domain::purchase::store {
namespace {

constexpr auto insert_purchase = R"(
with purchase as (
    insert into purchases (id, customer_id, currency_code, amount, idempotency_key)
    values ($1, $2, $3, $4, nullif($5, ''))
    on conflict (customer_id, idempotency_key) do nothing
    returning id)
insert into purchase_items (purchase_id, product_id, quantity, price)
select p.id, i.* from purchase p, unnest($6::bigint[], $7::bigint[], $8::bigint[]) i)";

constexpr auto select_by_key = R"(
select id from purchases where customer_id = $1 and idempotency_key = $2)";

constexpr auto select_purchase = R"(
select customer_id, currency_code, amount, status, step, success, last_seq
from purchases where id = $1)";

constexpr auto select_newest = R"(
select id from purchases where customer_id = $1 order by id desc limit 1)";

constexpr auto select_items = R"(
select product_id, quantity, price from purchase_items where purchase_id = $1 order by product_id)";

constexpr auto select_for_update = R"(
select id, status, step, success, last_seq from purchases where id = any ($1) order by id for update)";

constexpr auto record_events = R"(
with event as (
    insert into purchase_event (purchase_id, seq, step, status, success, at)
    select e.id, e.seq, e.step, e.status, e.success, 'epoch'::timestamptz + e.at * interval '1 ms'
    from unnest($1::bigint[], $2::bigint[], $3::int[], $4::int[], $5::bool[], $6::bigint[])
         e (id, seq, step, status, success, at)
    returning purchase_id, seq, step, status, success)
update purchases p
set status = e.status, step = e.step, success = e.success, last_seq = e.seq, updated_at = clock_timestamp()
from (select distinct on (purchase_id) * from event order by purchase_id, seq desc) e
where p.id = e.purchase_id)";

constexpr auto select_events = R"(
(select seq, status, step, success, (extract(epoch from at) * 1000)::bigint
 from purchase_event where purchase_id = $1 and seq > $2 order by seq limit $3)
union all
select last_seq, status, step, success, (extract(epoch from updated_at) * 1000)::bigint
from purchases where id = $1 and last_seq > $2 and success is not null
    and not exists (select from purchase_event where purchase_id = $1))";

constexpr auto select_last_seqs = R"(
select id, last_seq from purchases where id = any ($1))";

State state(int status, int step, std::optional<bool> success) {
    return {static_cast<Status>(status), static_cast<Step>(step), success};
}

}  // namespace

bool insert(pqxx::transaction_base& tx, const Purchase& purchase,
            const std::string& idempotency_key) {
    std::vector<std::int64_t> products, quantities, prices;
    for (const auto& item : purchase.items) {
        products.push_back(item.product.value);
        quantities.push_back(item.quantity);
        prices.push_back(item.price);
    }
    const auto inserted = outbox::exec(
        tx, insert_purchase,
        pqxx::params{purchase.id.value, purchase.customer.value, purchase.amount.currency.code(),
                     purchase.amount.minor, idempotency_key, products, quantities, prices});
    return inserted.affected_rows() > 0;
}

std::optional<View> find(pqxx::transaction_base& tx, PurchaseId id) {
    const auto row = outbox::exec(tx, select_purchase, pqxx::params{id.value}).opt_row();
    if (!row) return std::nullopt;
    const auto [customer, currency, amount, status, step, success, last_seq] =
        row->as<std::int64_t, std::string, std::int64_t, int, int, std::optional<bool>,
                std::int64_t>();
    View view{{id, CustomerId{customer}, {amount, Currency::parse(currency).value()}, {}},
              state(status, step, success),
              last_seq};
    for (const auto& [product, quantity, price] :
         outbox::exec(tx, select_items, pqxx::params{id.value})
             .iter<std::int64_t, std::int64_t, std::int64_t>()) {
        view.purchase.items.push_back({ProductId{product}, quantity, price});
    }
    return view;
}

std::optional<View> find_by_key(pqxx::transaction_base& tx, CustomerId customer,
                                const std::string& key) {
    const auto row = outbox::exec(tx, select_by_key, pqxx::params{customer.value, key}).opt_row();
    if (!row) return std::nullopt;
    return find(tx, PurchaseId{(*row)[0].as<std::int64_t>()});
}

std::map<PurchaseId, Place> lock(pqxx::transaction_base& tx, const std::set<PurchaseId>& ids) {
    std::map<PurchaseId, Place> found;
    for (const auto& [id, status, step, success, last_seq] :
         outbox::exec(tx, select_for_update, pqxx::params{numbers(ids)})
             .iter<std::int64_t, int, int, std::optional<bool>, std::int64_t>())
        found.emplace(PurchaseId{id}, Place{state(status, step, success), last_seq});
    return found;
}

void record(pqxx::transaction_base& tx, std::span<const Event> events) {
    if (events.empty()) return;
    std::vector<std::int64_t> ids, seqs, times;
    std::vector<int> steps, statuses;
    std::vector<std::optional<std::string>> successes;
    for (const auto& [seq, change] : events) {
        const auto& [status, step, success] = change.state;
        ids.push_back(change.id.value);
        seqs.push_back(seq);
        steps.push_back(static_cast<int>(step));
        statuses.push_back(static_cast<int>(status));
        successes.push_back(success ? std::optional{pqxx::to_string(*success)} : std::nullopt);
        times.push_back(change.at.time_since_epoch().count());
    }
    outbox::exec(tx, record_events, pqxx::params{ids, seqs, steps, statuses, successes, times})
        .no_rows();
}

std::vector<Event> events(pqxx::transaction_base& tx, PurchaseId id, std::int64_t after,
                          int limit) {
    std::vector<Event> found;
    for (const auto& [seq, status, step, success, at] :
         outbox::exec(tx, select_events, pqxx::params{id.value, after, limit})
             .iter<std::int64_t, int, int, std::optional<bool>, std::int64_t>()) {
        const Change change{id, state(status, step, success),
                            std::chrono::sys_time{std::chrono::milliseconds{at}}};
        found.push_back({seq, change});
    }
    return found;
}

std::map<PurchaseId, std::int64_t> last_seqs(pqxx::transaction_base& tx,
                                             const std::vector<PurchaseId>& ids) {
    std::map<PurchaseId, std::int64_t> found;
    for (const auto& [id, seq] : outbox::exec(tx, select_last_seqs, pqxx::params{numbers(ids)})
                                     .iter<std::int64_t, std::int64_t>()) {
        found.emplace(PurchaseId{id}, seq);
    }
    return found;
}

std::optional<PurchaseId> newest(pqxx::transaction_base& tx, CustomerId customer) {
    const auto row = outbox::exec(tx, select_newest, pqxx::params{customer.value}).opt_row();
    if (!row) return std::nullopt;
    return PurchaseId{(*row)[0].as<std::int64_t>()};
}

int forget_events(pqxx::transaction_base& tx, std::chrono::days keep, int most) {
    return tx.query_value<int>("select purchase.forget_events(make_interval(days => $1), $2)",
                               pqxx::params{keep.count(), most});
}

}  // namespace domain::purchase::store

#include "domain/product/stock_store.hpp"

#include <optional>
#include <pqxx/pqxx>
#include <vector>

#include "domain/numbers.hpp"
#include "faults.hpp"
#include "outbox/prepared.hpp"

namespace domain::product::store {
namespace {

constexpr auto lock_stock = R"(
select pg_advisory_xact_lock(hashtext('stock')))";

constexpr auto select_reservations = R"(
select r.purchase_id, coalesce(r.refusal, ''), r.rolled_back, i.product_id, i.quantity
from reservations r left join reservation_items i on i.purchase_id = r.purchase_id
where r.purchase_id = any ($1))";

constexpr auto insert_reservations = R"(
insert into reservations (purchase_id, refusal, rolled_back)
select r.id, nullif(r.refusal, ''), r.rolled_back
from unnest($1::bigint[], $2::text[], $3::bool[]) r (id, refusal, rolled_back))";

constexpr auto insert_items = R"(
insert into reservation_items (purchase_id, product_id, quantity)
select * from unnest($1::bigint[], $2::bigint[], $3::bigint[]))";

constexpr auto update_rolled_back = R"(
update reservations set rolled_back = true where purchase_id = any ($1))";

constexpr auto select_inventories = R"(
select id, inventory from products where id = any ($1) order by id)";

constexpr auto select_inventories_for_update = R"(
select id, inventory from products where id = any ($1) order by id for no key update)";

constexpr auto update_inventories = R"(
update products p set inventory = "left".inventory
from unnest($1::bigint[], $2::bigint[]) "left" (id, inventory) where p.id = "left".id)";

}  // namespace

void enter(pqxx::transaction_base& tx) {
    if (!faults::mutant("read_then_write")) outbox::exec(tx, lock_stock).one_row();
}

std::map<PurchaseId, Reservation> find(pqxx::transaction_base& tx,
                                       const std::set<PurchaseId>& ids) {
    std::map<PurchaseId, Reservation> found;
    for (const auto& [id, refusal, rolled_back, product, quantity] :
         outbox::exec(tx, select_reservations, pqxx::params{numbers(ids)})
             .iter<std::int64_t, std::string, bool, std::optional<std::int64_t>,
                   std::optional<std::int64_t>>()) {
        auto& one =
            found.try_emplace(PurchaseId{id}, Reservation{refusal, rolled_back, {}}).first->second;
        if (product) one.items.emplace(ProductId{*product}, quantity.value());
    }
    return found;
}

void insert(pqxx::transaction_base& tx, const std::map<PurchaseId, Reservation>& reservations) {
    if (reservations.empty()) return;
    std::vector<std::int64_t> ids, purchases, products, quantities;
    std::vector<std::string> refusals, rolled_back;
    for (const auto& [id, reservation] : reservations) {
        ids.push_back(id.value);
        refusals.push_back(reservation.refusal);
        rolled_back.push_back(pqxx::to_string(reservation.rolled_back));
        for (const auto& [product, quantity] : reservation.items) {
            purchases.push_back(id.value);
            products.push_back(product.value);
            quantities.push_back(quantity);
        }
    }
    outbox::exec(tx, insert_reservations, pqxx::params{ids, refusals, rolled_back}).no_rows();
    if (purchases.empty()) return;
    outbox::exec(tx, insert_items, pqxx::params{purchases, products, quantities}).no_rows();
}

void save_rolled_back(pqxx::transaction_base& tx, const std::set<PurchaseId>& ids) {
    if (!ids.empty()) outbox::exec(tx, update_rolled_back, pqxx::params{numbers(ids)}).no_rows();
}

Quantities lock_inventories(pqxx::transaction_base& tx, const std::set<ProductId>& products) {
    const auto* query =
        faults::mutant("read_then_write") ? select_inventories : select_inventories_for_update;
    Quantities found;
    for (const auto& row : outbox::exec(tx, query, pqxx::params{numbers(products)}))
        found.emplace(ProductId{row[0].as<std::int64_t>()}, row[1].as<std::int64_t>());
    return found;
}

void save_inventories(pqxx::transaction_base& tx, const Quantities& inventories) {
    if (inventories.empty()) return;
    std::vector<std::int64_t> ids, counts;
    for (const auto& [product, count] : inventories) {
        ids.push_back(product.value);
        counts.push_back(count);
    }
    outbox::exec(tx, update_inventories, pqxx::params{ids, counts}).no_rows();
}

}  // namespace domain::product::store

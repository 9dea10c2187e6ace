#include "domain/product/stock_store.hpp"

#include <pqxx/pqxx>

#include "faults.hpp"

namespace domain::product::store {
namespace {

constexpr auto lock_stock = R"(
select pg_advisory_xact_lock(hashtext('stock')))";

constexpr auto insert_reservation = R"(
insert into reservations (purchase_id, refusal, rolled_back)
values ($1, nullif($2, ''), $2 <> '') on conflict do nothing)";

constexpr auto update_refusal = R"(
update reservations set refusal = $2 where purchase_id = $1)";

constexpr auto select_answer = R"(
select coalesce(refusal, '') from reservations where purchase_id = $1 for update)";

constexpr auto select_inventories = R"(
select id, inventory from products where id = any ($1) order by id)";

constexpr auto select_inventories_for_update = R"(
select id, inventory from products where id = any ($1) order by id for no key update)";

constexpr auto update_inventories = R"(
update products p set inventory = "left".inventory
from unnest($1::bigint[], $2::bigint[]) "left" (id, inventory) where p.id = "left".id)";

constexpr auto insert_items = R"(
insert into reservation_items (purchase_id, product_id, quantity)
select $1, * from unnest($2::bigint[], $3::bigint[]))";

constexpr auto update_rolled_back = R"(
update reservations set rolled_back = true where purchase_id = $1 and not rolled_back)";

constexpr auto lock_reserved = R"(
select from products where id in (select product_id from reservation_items where purchase_id = $1)
order by id for no key update)";

constexpr auto return_items = R"(
update products p set inventory = p.inventory + i.quantity
from reservation_items i where i.purchase_id = $1 and p.id = i.product_id)";

std::vector<std::int64_t> ids(const Quantities& quantities) {
    std::vector<std::int64_t> values;
    values.reserve(quantities.size());
    for (const auto& [product, quantity] : quantities) values.push_back(product.value);
    return values;
}

std::vector<std::int64_t> counts(const Quantities& quantities) {
    std::vector<std::int64_t> values;
    values.reserve(quantities.size());
    for (const auto& [product, quantity] : quantities) values.push_back(quantity);
    return values;
}

}  // namespace

void enter(pqxx::transaction_base& tx) {
    if (!faults::mutant("read_then_write")) tx.exec(lock_stock).one_row();
}

bool begin(pqxx::transaction_base& tx, PurchaseId id) { return bury(tx, id, ""); }

bool bury(pqxx::transaction_base& tx, PurchaseId id, const std::string& refusal) {
    return tx.exec(insert_reservation, pqxx::params{id.value, refusal}).affected_rows() == 1;
}

void refuse(pqxx::transaction_base& tx, PurchaseId id, const std::string& refusal) {
    tx.exec(update_refusal, pqxx::params{id.value, refusal}).no_rows();
}

std::string answer(pqxx::transaction_base& tx, PurchaseId id) {
    return tx.query_value<std::string>(select_answer, pqxx::params{id.value});
}

Quantities lock_inventories(pqxx::transaction_base& tx, const Quantities& wanted) {
    const auto* query =
        faults::mutant("read_then_write") ? select_inventories : select_inventories_for_update;
    Quantities found;
    for (const auto& row : tx.exec(query, pqxx::params{ids(wanted)})) {
        found.emplace(ProductId{row[0].as<std::int64_t>()}, row[1].as<std::int64_t>());
    }
    return found;
}

void reserve(pqxx::transaction_base& tx, PurchaseId id, const Quantities& quantities,
             const Quantities& left) {
    tx.exec(update_inventories, pqxx::params{ids(left), counts(left)}).no_rows();
    tx.exec(insert_items, pqxx::params{id.value, ids(quantities), counts(quantities)}).no_rows();
}

bool give_back(pqxx::transaction_base& tx, PurchaseId id) {
    if (tx.exec(update_rolled_back, pqxx::params{id.value}).affected_rows() == 0) return false;
    tx.exec(lock_reserved, pqxx::params{id.value});
    tx.exec(return_items, pqxx::params{id.value}).no_rows();
    return true;
}

}  // namespace domain::product::store

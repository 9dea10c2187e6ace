#include "domain/order/order_store.hpp"

#include <pqxx/pqxx>

namespace domain::order::store {
namespace {

constexpr auto insert_order = R"(
insert into orders (id, customer_id, status, currency_code, amount, cancel_reason, never_created)
values ($1, $2, $3, $4, $5, nullif($6, ''), $7)
on conflict (id) do nothing)";

constexpr auto insert_products = R"(
insert into order_items (order_id, product_id, quantity, price, category_id, name, brand_name, description)
select $1, * from unnest($2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[],
                         $6::text[], $7::text[], $8::text[]))";

constexpr auto select_for_update = R"(
select from orders where id = $1 for update)";

constexpr auto select_order = R"(
select customer_id, status, currency_code, amount, coalesce(cancel_reason, ''), never_created
from orders where id = $1)";

constexpr auto select_products = R"(
select product_id, quantity, price, category_id, name, brand_name, description
from order_items where order_id = $1 order by product_id)";

constexpr auto update_status = R"(
update orders set status = $2, cancel_reason = nullif($3, ''), updated_at = clock_timestamp()
where id = $1)";

}  // namespace

bool insert(pqxx::transaction_base& tx, const Order& order,
            const std::vector<Product>& products) {
    const auto inserted =
        tx.exec(insert_order,
                pqxx::params{order.id.value, order.customer.value, to_string(order.status),
                             order.amount.currency.code(), order.amount.minor, order.cancel_reason,
                             order.never_created});
    if (inserted.affected_rows() == 0) return false;
    if (products.empty()) return true;
    std::vector<std::int64_t> ids, quantities, prices, categories;
    std::vector<std::string> names, brands, descriptions;
    for (const auto& product : products) {
        ids.push_back(product.line.product.value);
        quantities.push_back(product.line.quantity);
        prices.push_back(product.line.price);
        categories.push_back(product.category_id);
        names.push_back(product.name);
        brands.push_back(product.brand_name);
        descriptions.push_back(product.description);
    }
    tx.exec(insert_products, pqxx::params{order.id.value, ids, quantities, prices, categories,
                                          names, brands, descriptions})
        .no_rows();
    return true;
}

std::optional<View> view(pqxx::transaction_base& tx, OrderId id) {
    const auto row = tx.exec(select_order, pqxx::params{id.value}).opt_row();
    if (!row) return std::nullopt;
    const auto [customer, status, currency, amount, reason, never_created] =
        row->as<std::int64_t, std::string, std::string, std::int64_t, std::string, bool>();
    View found{{id,
                CustomerId{customer},
                parse_status(status),
                {amount, Currency::parse(currency).value()},
                {},
                reason,
                never_created},
               {}};
    for (const auto& item : tx.exec(select_products, pqxx::params{id.value})) {
        const Line line{ProductId{item[0].as<std::int64_t>()}, item[1].as<std::int64_t>(),
                        item[2].as<std::int64_t>()};
        found.order.lines.push_back(line);
        found.products.push_back({line, item[3].as<std::int64_t>(), item[4].as<std::string>(),
                                  item[5].as<std::string>(), item[6].as<std::string>()});
    }
    return found;
}

std::optional<Order> lock(pqxx::transaction_base& tx, OrderId id) {
    // Locked by a statement of its own: the next one sees what the lock's former holder committed.
    if (tx.exec(select_for_update, pqxx::params{id.value}).empty()) return std::nullopt;
    return view(tx, id).value().order;
}

void save_status(pqxx::transaction_base& tx, const Order& order) {
    tx.exec(update_status,
            pqxx::params{order.id.value, to_string(order.status), order.cancel_reason})
        .no_rows();
}

}  // namespace domain::order::store

#include "domain/order/order_store.hpp"

#include <pqxx/pqxx>
#include <string>
#include <utility>

#include "domain/numbers.hpp"
#include "outbox/prepared.hpp"

namespace domain::order::store {
namespace {

constexpr auto insert_orders = R"(
insert into orders (id, customer_id, status, currency_code, amount, cancel_reason, never_created)
select o.id, o.customer_id, o.status, o.currency_code, o.amount, nullif(o.cancel_reason, ''), o.never_created
from unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::bigint[], $6::text[], $7::bool[])
     o (id, customer_id, status, currency_code, amount, cancel_reason, never_created)
on conflict (id) do nothing)";

constexpr auto insert_products = R"(
insert into order_items (order_id, product_id, quantity, price, category_id, name, brand_name, description)
select * from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[],
                     $6::text[], $7::text[], $8::text[]))";

constexpr auto select_for_update = R"(
select id, customer_id, status, currency_code, amount, coalesce(cancel_reason, ''), never_created
from orders where id = any ($1) order by id for update)";

constexpr auto select_order = R"(
select customer_id, status, currency_code, amount, coalesce(cancel_reason, ''), never_created
from orders where id = $1)";

constexpr auto select_products = R"(
select product_id, quantity, price, category_id, name, brand_name, description
from order_items where order_id = $1 order by product_id)";

constexpr auto update_statuses = R"(
update orders o set status = s.status, cancel_reason = nullif(s.reason, ''), updated_at = clock_timestamp()
from unnest($1::bigint[], $2::text[], $3::text[]) s (id, status, reason) where o.id = s.id)";

void insert_items(pqxx::transaction_base& tx, std::span<const View> orders) {
    std::vector<std::int64_t> order_ids, ids, quantities, prices, categories;
    std::vector<std::string> names, brands, descriptions;
    for (const auto& [order, products] : orders) {
        for (const auto& product : products) {
            order_ids.push_back(order.id.value);
            ids.push_back(product.line.product.value);
            quantities.push_back(product.line.quantity);
            prices.push_back(product.line.price);
            categories.push_back(product.category_id);
            names.push_back(product.name);
            brands.push_back(product.brand_name);
            descriptions.push_back(product.description);
        }
    }
    if (ids.empty()) return;
    outbox::exec(
        tx, insert_products,
        pqxx::params{order_ids, ids, quantities, prices, categories, names, brands, descriptions})
        .no_rows();
}

}  // namespace

void insert(pqxx::transaction_base& tx, std::span<const View> orders) {
    if (orders.empty()) return;
    std::vector<std::int64_t> ids, customers, amounts;
    std::vector<std::string> statuses, currencies, reasons, never_created;
    for (const auto& [order, products] : orders) {
        ids.push_back(order.id.value);
        customers.push_back(order.customer.value);
        statuses.emplace_back(to_string(order.status));
        currencies.emplace_back(order.amount.currency.code());
        amounts.push_back(order.amount.minor);
        reasons.push_back(order.cancel_reason);
        never_created.push_back(pqxx::to_string(order.never_created));
    }
    const auto inserted = outbox::exec(
        tx, insert_orders,
        pqxx::params{ids, customers, statuses, currencies, amounts, reasons, never_created});
    if (std::cmp_less(inserted.affected_rows(), orders.size()))
        throw pqxx::serialization_failure{"another transaction inserted an order", "", "40001"};
    insert_items(tx, orders);
}

std::optional<View> view(pqxx::transaction_base& tx, OrderId id) {
    const auto row = outbox::exec(tx, select_order, pqxx::params{id.value}).opt_row();
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
    for (const auto& item : outbox::exec(tx, select_products, pqxx::params{id.value})) {
        const Line line{ProductId{item[0].as<std::int64_t>()}, item[1].as<std::int64_t>(),
                        item[2].as<std::int64_t>()};
        found.order.lines.push_back(line);
        found.products.push_back({line, item[3].as<std::int64_t>(), item[4].as<std::string>(),
                                  item[5].as<std::string>(), item[6].as<std::string>()});
    }
    return found;
}

std::map<OrderId, Order> lock(pqxx::transaction_base& tx, const std::set<OrderId>& ids) {
    std::map<OrderId, Order> found;
    for (const auto& [number, customer, status, currency, amount, reason, never_created] :
         outbox::exec(tx, select_for_update, pqxx::params{numbers(ids)})
             .iter<std::int64_t, std::int64_t, std::string, std::string, std::int64_t, std::string,
                   bool>()) {
        const OrderId id{number};
        found.emplace(id, Order{id,
                                CustomerId{customer},
                                parse_status(status),
                                {amount, Currency::parse(currency).value()},
                                {},
                                reason,
                                never_created});
    }
    return found;
}

void save_status(pqxx::transaction_base& tx, std::span<const Order> orders) {
    if (orders.empty()) return;
    std::vector<std::int64_t> ids;
    std::vector<std::string> statuses, reasons;
    for (const auto& order : orders) {
        ids.push_back(order.id.value);
        statuses.emplace_back(to_string(order.status));
        reasons.push_back(order.cancel_reason);
    }
    outbox::exec(tx, update_statuses, pqxx::params{ids, statuses, reasons}).no_rows();
}

}  // namespace domain::order::store

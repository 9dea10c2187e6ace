#include "domain/product/product_store.hpp"

#include <pqxx/pqxx>

#include "domain/numbers.hpp"
#include "outbox/prepared.hpp"

namespace domain::product::store {
namespace {

constexpr auto insert_category = R"(
insert into categories (id, name, description) values ($1, $2, $3))";

constexpr auto select_category = R"(
select id, name, description from categories where id = $1)";

constexpr auto select_categories = R"(
select id, name, description from categories where id > $1 order by id offset $2 limit $3)";

constexpr auto insert_product = R"(
insert into products (id, category_id, name, brand_name, description, price, inventory)
select $1, id, $3, $4, $5, $6, $7 from categories where id = $2)";

constexpr auto update_product = R"(
update products
set name = coalesce($2, name), brand_name = coalesce($3, brand_name),
    description = coalesce($4, description), price = coalesce($5, price)
where id = $1
returning id, category_id, name, brand_name, description, price, inventory)";

constexpr auto select_products = R"(
select id, category_id, name, brand_name, description, price, inventory
from products where id = any ($1) order by id)";

constexpr auto select_page = R"(
select id, category_id, name, brand_name, description, price, inventory
from products where id > $1 order by id offset $2 limit $3)";

Category to_category(const pqxx::row& row) {
    const auto [id, name, description] = row.as<std::int64_t, std::string, std::string>();
    return {CategoryId{id}, name, description};
}

Product to_product(const pqxx::row& row) {
    const auto [id, category, name, brand_name, description, price, inventory] =
        row.as<std::int64_t, std::int64_t, std::string, std::string, std::string, std::int64_t,
               std::int64_t>();
    return {ProductId{id}, CategoryId{category}, name, brand_name, description, price, inventory};
}

}  // namespace

void insert(pqxx::transaction_base& tx, const Category& category) {
    outbox::exec(tx, insert_category,
                 pqxx::params{category.id.value, category.name, category.description})
        .no_rows();
}

std::optional<Category> find(pqxx::transaction_base& tx, CategoryId id) {
    const auto row = outbox::exec(tx, select_category, pqxx::params{id.value}).opt_row();
    if (!row) return std::nullopt;
    return to_category(*row);
}

std::vector<Category> categories(pqxx::transaction_base& tx, const Page& page) {
    std::vector<Category> found;
    for (const auto& row :
         outbox::exec(tx, select_categories, pqxx::params{page.after, page.offset, page.size})) {
        found.push_back(to_category(row));
    }
    return found;
}

bool insert(pqxx::transaction_base& tx, const Product& product) {
    const auto inserted = outbox::exec(
        tx, insert_product,
        pqxx::params{product.id.value, product.category.value, product.name, product.brand_name,
                     product.description, product.price, product.inventory});
    return inserted.affected_rows() == 1;
}

std::optional<Product> update(pqxx::transaction_base& tx, ProductId id, const Changes& changes) {
    const auto row = outbox::exec(tx, update_product,
                                  pqxx::params{id.value, changes.name, changes.brand_name,
                                               changes.description, changes.price})
                         .opt_row();
    if (!row) return std::nullopt;
    return to_product(*row);
}

std::optional<Product> find(pqxx::transaction_base& tx, ProductId id) {
    auto found = find(tx, std::vector{id});
    if (found.empty()) return std::nullopt;
    return std::move(found.front());
}

std::vector<Product> find(pqxx::transaction_base& tx, const std::vector<ProductId>& ids) {
    std::vector<Product> found;
    for (const auto& row : outbox::exec(tx, select_products, pqxx::params{numbers(ids)})) {
        found.push_back(to_product(row));
    }
    return found;
}

std::vector<Product> products(pqxx::transaction_base& tx, const Page& page) {
    std::vector<Product> found;
    for (const auto& row :
         outbox::exec(tx, select_page, pqxx::params{page.after, page.offset, page.size})) {
        found.push_back(to_product(row));
    }
    return found;
}

}  // namespace domain::product::store

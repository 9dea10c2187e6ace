#include "domain/product/product_service.hpp"

#include <format>
#include <outbox/append.hpp>

#include "domain/product/product_events.hpp"
#include "domain/transact.hpp"

namespace domain::product {
namespace {

void tell(pqxx::transaction_base& tx, const Product& product, const Trace& trace) {
    const auto now = std::chrono::system_clock::now();
    outbox::append(tx, {.aggregate_type = "product",
                        .aggregate_id = std::to_string(product.id.value),
                        .type = "ProductChanged",
                        .content = outbox::Json{product_changed(product, now)},
                        .headers = trace.headers()});
}

}  // namespace

ProductService::ProductService(Pool& pool, IdMaker make_id)
    : pool_(pool), make_id_(std::move(make_id)) {}

CategoryId ProductService::create(Category category) {
    category.id = CategoryId{make_id_()};
    return transact(pool_, [&](pqxx::work& tx) {
        store::insert(tx, category);
        return category.id;
    });
}

std::optional<Category> ProductService::find(CategoryId id) {
    return query(pool_, [&](auto& tx) { return store::find(tx, id); });
}

std::vector<Category> ProductService::categories(const store::Page& page) {
    return query(pool_, [&](auto& tx) { return store::categories(tx, page); });
}

tl::expected<ProductId, Refusal> ProductService::create(Product product, const Trace& trace) {
    product.id = ProductId{make_id_()};
    return transact(pool_, [&](pqxx::work& tx) -> tl::expected<ProductId, Refusal> {
        if (!store::insert(tx, product)) {
            return tl::unexpected(Refusal{
                Refusal::Reason::unknown,
                std::format("there is no category {}", product.category.value), "category_id"});
        }
        tell(tx, product, trace);
        return product.id;
    });
}

tl::expected<void, Refusal> ProductService::update(ProductId id, const Changes& changes,
                                                   const Trace& trace) {
    // Setting the same again does no harm, so that an unknown outcome may be tried again.
    return transact(
        pool_,
        [&](pqxx::work& tx) -> tl::expected<void, Refusal> {
            const auto product = store::update(tx, id, changes);
            if (!product) {
                return tl::unexpected(Refusal{Refusal::Reason::unknown,
                                              std::format("there is no product {}", id.value)});
            }
            tell(tx, *product, trace);
            return {};
        },
        {.repeatable = true});
}

std::optional<Product> ProductService::find(ProductId id) {
    return query(pool_, [&](auto& tx) { return store::find(tx, id); });
}

std::vector<Product> ProductService::find(const std::vector<ProductId>& ids) {
    return query(pool_, [&](auto& tx) { return store::find(tx, ids); });
}

std::vector<Product> ProductService::products(const store::Page& page) {
    return query(pool_, [&](auto& tx) { return store::products(tx, page); });
}

}  // namespace domain::product

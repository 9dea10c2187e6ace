#include "http/product/product_cache.hpp"

#include <nlohmann/json.hpp>

namespace http::product {
namespace {

std::string detail_key(domain::ProductId id) {
    return "get_product_detail:" + std::to_string(id.value);
}

std::string detail(const domain::product::Product& product) {
    return nlohmann::json{{"id", product.id.value},
                          {"category_id", product.category.value},
                          {"name", product.name},
                          {"brand_name", product.brand_name},
                          {"description", product.description},
                          {"price", product.price}}
        .dump();
}

}  // namespace

std::string inventory_key(domain::ProductId id) {
    return "get_product_inventory:" + std::to_string(id.value);
}

ProductCache::ProductCache(ServiceCache& cache, domain::product::ProductService& products)
    : cache_(cache), products_(products) {}

std::optional<std::string> ProductCache::show(domain::ProductId id) const {
    if (!cache_.might_exist(id.value)) return std::nullopt;
    const auto part = [&](const std::string& key, auto text_of) {
        return cache_.values().get(key, [&]() -> domain::cache::Cached::Value {
            const auto product = products_.find(id);
            if (!product) return std::nullopt;
            return text_of(*product);
        });
    };
    auto shown = part(detail_key(id), detail);
    if (!shown) return std::nullopt;
    const auto inventory = part(inventory_key(id), [](const domain::product::Product& product) {
        return std::to_string(product.inventory);
    });
    if (!inventory) return std::nullopt;
    shown->pop_back();  // its last brace
    return *shown + ",\"inventory\":" + *inventory + "}";
}

tl::expected<void, domain::Refusal> ProductCache::update(domain::ProductId id,
                                                         const domain::product::Changes& changes,
                                                         const domain::Trace& trace) const {
    return cache_.values().changing({detail_key(id)},
                                    [&] { return products_.update(id, changes, trace); });
}

}  // namespace http::product

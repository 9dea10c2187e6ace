#include "http/product/product_routes.hpp"

#include <nlohmann/json.hpp>
#include <vector>

#include "domain/product/product_events.hpp"
#include "domain/product/stock_service.hpp"
#include "http/product/product_cache.hpp"
#include "http/product/product_request.hpp"
#include "http/saga_command.hpp"

namespace http::product {
namespace {

using domain::product::Category;
using domain::product::Product;
using domain::product::ProductService;
using nlohmann::json;

json to_json(const Category& category) {
    return {
        {"id", category.id.value}, {"name", category.name}, {"description", category.description}};
}

json to_entry(const Product& product) {
    return {{"id", product.id.value},
            {"name", product.name},
            {"inventory", product.inventory},
            {"price", product.price}};
}

Response created(const std::string& where, std::int64_t id) {
    return {.status = 201,
            .body = json{{"message", "success"}, {"id", id}}.dump(),
            .headers = {{"Location", where + std::to_string(id)}}};
}

Outcome create_category(ProductService& service, const Request& request) {
    const auto category = read_category(request.body);
    if (!category) return tl::unexpected(category.error());
    return created("/api/v1/categories/", service.create(*category).value);
}

Outcome create_product(ProductService& service, const Request& request) {
    const auto product = read_product(request.body);
    if (!product) return tl::unexpected(product.error());
    const auto id = service.create(*product, request.trace);
    if (!id) return tl::unexpected(to_problem(id.error()));
    return created("/api/v1/products/", id->value);
}

Outcome update_product(const ProductCache& products, const Request& request) {
    const auto id = id_parameter(request, "id");
    if (!id) return tl::unexpected(id.error());
    const auto changes = read_changes(request.body);
    if (!changes) return tl::unexpected(changes.error());
    const auto updated = products.update(domain::ProductId{*id}, *changes, request.trace);
    if (!updated) return tl::unexpected(to_problem(updated.error()));
    return Response{.body = R"({"message":"success"})"};
}

Outcome get_category(ProductService& service, const Request& request) {
    const auto id = id_parameter(request, "id");
    if (!id) return tl::unexpected(id.error());
    const auto found = service.find(domain::CategoryId{*id});
    if (!found) return tl::unexpected(Problem{404, "there is no category " + std::to_string(*id)});
    return Response{.body = to_json(*found).dump()};
}

Outcome get_product(const ProductCache& products, const Request& request) {
    const auto id = id_parameter(request, "id");
    if (!id) return tl::unexpected(id.error());
    auto shown = products.show(domain::ProductId{*id});
    if (!shown) return tl::unexpected(Problem{404, "there is no product " + std::to_string(*id)});
    return Response{.body = *std::move(shown)};
}

Outcome list_products(ProductService& service, const Request& request) {
    const auto page = read_page(request);
    if (!page) return tl::unexpected(page.error());
    auto catalogs = json::array();
    for (const auto& product : service.products(*page)) catalogs.push_back(to_entry(product));
    return Response{.body = json{{"catalogs", std::move(catalogs)}}.dump()};
}

Outcome list_categories(ProductService& service, const Request& request) {
    const auto page = read_page(request);
    if (!page) return tl::unexpected(page.error());
    auto categories = json::array();
    for (const auto& category : service.categories(*page)) categories.push_back(to_json(category));
    return Response{.body = json{{"categories", std::move(categories)}}.dump()};
}

}  // namespace

void add_routes(Dispatcher& dispatcher, ProductService& service, ServiceCache& cache,
                const Authenticate& authenticate) {
    const auto by_database = [&](Outcome (*serve)(ProductService&, const Request&)) -> Handler {
        return [&service, serve](const Request& request) { return serve(service, request); };
    };
    const auto by_cache = [&](Outcome (*serve)(const ProductCache&, const Request&)) -> Handler {
        return [products = ProductCache{cache, service}, serve](const Request& request) {
            return serve(products, request);
        };
    };
    const auto to_merchants = [&](const char* method, const char* path, const Handler& serve) {
        dispatcher.on(method, path, [authenticate, serve](const Request& request) -> Outcome {
            const auto customer = authenticate(request);
            if (!customer) return tl::unexpected(customer.error());
            return serve(request);
        });
    };
    to_merchants("POST", "/api/v1/categories", by_database(create_category));
    dispatcher.on("GET", "/api/v1/categories", by_database(list_categories));
    dispatcher.on("GET", "/api/v1/categories/:id", by_database(get_category));
    to_merchants("POST", "/api/v1/products", by_database(create_product));
    to_merchants("PUT", "/api/v1/products/:id", by_cache(update_product));
    dispatcher.on("GET", "/api/v1/products/:id", by_cache(get_product));
    dispatcher.on("GET", "/api/v1/products", by_database(list_products));
    dispatcher.on("GET", "/api/products", by_database(list_products));
}

void subscribe(outbox::Consumer& consumer, ServiceCache& cache) {
    consumer.on_batch(
        {"UpdateProductInventory", "RollbackProductInventory"},
        [&cache](pqxx::transaction_base& tx, outbox::Messages messages) {
            std::vector<domain::product::StockInput> inputs;
            inputs.reserve(messages.size());
            for (const auto* message : messages) {
                if (message->type == "RollbackProductInventory") {
                    inputs.emplace_back(domain::product::RollBack{command(*message)});
                } else {
                    inputs.emplace_back(domain::product::Reserve{
                        read(domain::product::read_update_inventory, *message), command(*message)});
                }
            }
            for (const auto& [id, left] : domain::product::hear(tx, inputs))
                cache.invalidate_later(inventory_key(id));
        });
    // A rollback carries what was bought as well.
    cache.settle_after(consumer, [](const outbox::Message& message) {
        const auto lines = read(domain::product::read_update_inventory, message);
        std::vector<std::string> keys;
        keys.reserve(lines.size());
        for (const auto& line : lines) keys.push_back(inventory_key(line.product));
        return keys;
    });
}

}  // namespace http::product

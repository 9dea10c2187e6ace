#include "http/product/product_routes.hpp"

#include <nlohmann/json.hpp>
#include <span>
#include <vector>

#include "domain/product/product_events.hpp"
#include "domain/product/stock_service.hpp"
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

json to_json(const Product& product) {
    return {{"id", product.id.value},
            {"category_id", product.category.value},
            {"name", product.name},
            {"brand_name", product.brand_name},
            {"description", product.description},
            {"price", product.price},
            {"inventory", product.inventory}};
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

Outcome update_product(ProductService& service, const Request& request) {
    const auto id = id_parameter(request, "id");
    if (!id) return tl::unexpected(id.error());
    const auto changes = read_changes(request.body);
    if (!changes) return tl::unexpected(changes.error());
    const auto updated = service.update(domain::ProductId{*id}, *changes, request.trace);
    if (!updated) return tl::unexpected(to_problem(updated.error()));
    return Response{.body = R"({"message":"success"})"};
}

template <class Id>
Outcome get_one(ProductService& service, const Request& request, const char* what) {
    const auto id = id_parameter(request, "id");
    if (!id) return tl::unexpected(id.error());
    const auto found = service.find(Id{*id});
    if (!found) {
        return tl::unexpected(
            Problem{404, std::string{"there is no "} + what + " " + std::to_string(*id)});
    }
    return Response{.body = to_json(*found).dump()};
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

void add_routes(Dispatcher& dispatcher, ProductService& service, const Authenticate& authenticate) {
    using Serve = Outcome (*)(ProductService&, const Request&);
    const auto to_all = [&](const char* method, const char* path, Serve serve) {
        dispatcher.on(method, path, [&service, serve](const Request& request) {
            return serve(service, request);
        });
    };
    const auto to_merchants = [&](const char* method, const char* path, Serve serve) {
        dispatcher.on(method, path,
                      [&service, authenticate, serve](const Request& request) -> Outcome {
                          const auto customer = authenticate(request);
                          if (!customer) return tl::unexpected(customer.error());
                          return serve(service, request);
                      });
    };
    to_merchants("POST", "/api/v1/categories", create_category);
    to_all("GET", "/api/v1/categories", list_categories);
    to_all("GET", "/api/v1/categories/:id", [](ProductService& from, const Request& request) {
        return get_one<domain::CategoryId>(from, request, "category");
    });
    to_merchants("POST", "/api/v1/products", create_product);
    to_merchants("PUT", "/api/v1/products/:id", update_product);
    to_all("GET", "/api/v1/products/:id", [](ProductService& from, const Request& request) {
        return get_one<domain::ProductId>(from, request, "product");
    });
    to_all("GET", "/api/v1/products", list_products);
    to_all("GET", "/api/products", list_products);
}

void subscribe(outbox::Consumer& consumer) {
    consumer.on_batch(
        {"UpdateProductInventory", "RollbackProductInventory"},
        [](pqxx::transaction_base& tx, std::span<const outbox::Message* const> messages) {
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
            domain::product::hear(tx, inputs);
        });
}

}  // namespace http::product

#include "http/order/order_routes.hpp"

#include <nlohmann/json.hpp>

#include "domain/order/order_service.hpp"
#include "http/order/order_commands.hpp"
#include "http/owned.hpp"

namespace http::order {
namespace {

namespace domain_order = domain::order;

std::string to_json(const domain_order::store::View& view) {
    auto products = nlohmann::json::array();
    for (const auto& product : view.products) {
        products.push_back({{"id", product.line.product.value},
                            {"category_id", product.category_id},
                            {"name", product.name},
                            {"brand_name", product.brand_name},
                            {"description", product.description},
                            {"price", product.line.price},
                            {"quantity", product.line.quantity}});
    }
    nlohmann::json body{{"order_id", view.order.id.value},
                        {"status", domain_order::to_string(view.order.status)},
                        {"amount", view.order.amount.minor},
                        {"currency_code", view.order.amount.currency.code()},
                        {"products", std::move(products)}};
    if (!view.order.cancel_reason.empty()) body["reason"] = view.order.cancel_reason;
    return body.dump();
}

Outcome get_order(domain::Pool& pool, ServiceCache& cache, const Authenticate& authenticate,
                  const Request& request) {
    const auto customer = authenticate(request);
    if (!customer) return tl::unexpected(customer.error());
    const auto id = id_parameter(request, "id");
    if (!id) return tl::unexpected(id.error());
    const auto load = [&]() -> std::optional<Owned> {
        const auto view = domain_order::find(pool, domain::OrderId{*id});
        if (!view || view->order.never_created) return std::nullopt;
        return Owned{view->order.customer, to_json(*view)};
    };
    auto shown = show_owned(cache, order_key(*id), *id, load,
                            [&](auto owner) { return owner == *customer; });
    if (!shown) return tl::unexpected(Problem{404, "there is no order " + std::to_string(*id)});
    return Response{.body = *std::move(shown)};
}

}  // namespace

void add_routes(Dispatcher& dispatcher, domain::Pool& pool, ServiceCache& cache,
                const Authenticate& authenticate) {
    dispatcher.on("GET", "/api/v1/orders/:id",
                  [&pool, &cache, authenticate](const Request& request) {
                      return get_order(pool, cache, authenticate, request);
                  });
}

}  // namespace http::order

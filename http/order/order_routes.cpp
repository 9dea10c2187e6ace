#include "http/order/order_routes.hpp"

#include <nlohmann/json.hpp>

#include "http/order/purchase_request.hpp"

namespace http::order {
namespace {

namespace domain_order = domain::order;

// Until the account service exists, every purchase is this customer's.
constexpr domain::CustomerId nobody{0};

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

Outcome place_purchase(domain_order::OrderService& service, const Request& request) {
    const auto command = read_purchase(request.body, request.header("Idempotency-Key"), nobody);
    if (!command) return tl::unexpected(command.error());
    const auto order = service.place(*command, request.trace);
    if (!order) return tl::unexpected(to_problem(order.error()));
    return Response{.status = 202,
                    .body = nlohmann::json{{"purchase_id", order->value}}.dump(),
                    .headers = {{"Location", "/api/v1/orders/" + std::to_string(order->value)}}};
}

Outcome get_order(domain_order::OrderService& service, const Authenticate& authenticate,
                  const Request& request) {
    const auto customer = reader(authenticate, request);
    if (!customer) return tl::unexpected(customer.error());
    const auto id = id_parameter(request, "id");
    if (!id) return tl::unexpected(id.error());
    const auto view = service.find(domain::OrderId{*id});
    if (!view || view->order.never_created || !may_read(*customer, view->order.customer))
        return tl::unexpected(Problem{404, "there is no order " + std::to_string(*id)});
    return Response{.body = to_json(*view)};
}

template <class Event>
outbox::Handler handler(tl::expected<Event, std::string> (*read)(std::string_view)) {
    return [read](pqxx::transaction_base& tx, const outbox::Message& message) {
        const auto event = read(message.payload);
        if (!event) throw outbox::PoisonMessage(event.error());
        const auto applied = domain_order::apply(tx, *event);
        // Trying again would be refused again: a person has to look at it.
        if (!applied) throw outbox::PoisonMessage(applied.error().detail);
    };
}

}  // namespace

void add_routes(Dispatcher& dispatcher, domain_order::OrderService& service,
                const Authenticate& authenticate) {
    // Where there are accounts, the purchase service takes purchases.
    if (!authenticate)
        dispatcher.on("POST", "/api/v1/purchases", [&service](const Request& request) {
            return place_purchase(service, request);
        });
    dispatcher.on("GET", "/api/v1/orders/:id", [&service, authenticate](const Request& request) {
        return get_order(service, authenticate, request);
    });
}

void subscribe(outbox::Consumer& consumer) {
    consumer.on("PaymentTaken", handler(domain_order::read_payment_taken));
    consumer.on("PaymentDeclined", handler(domain_order::read_payment_declined));
}

}  // namespace http::order

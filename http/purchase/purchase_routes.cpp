#include "http/purchase/purchase_routes.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "http/purchase/event_stream.hpp"
#include "http/purchase/purchase_request.hpp"
#include "http/saga_command.hpp"

namespace http::purchase {
namespace {

using domain::CustomerId;
using domain::PurchaseId;
using domain::purchase::store::View;

tl::expected<PurchaseId, Problem> place(Parts& parts, const Request& request, CustomerId customer) {
    const auto command = read_purchase(request.body, request.header("Idempotency-Key"), customer);
    if (!command) return tl::unexpected(command.error());
    // Before product is asked: a repeat is answered though the stock, or product, has gone since.
    const auto first = parts.service.find_first(*command);
    if (!first) return tl::unexpected(to_problem(first.error()));
    if (*first) return **first;
    const auto offers = parts.products.offers(*command, request.trace);
    if (!offers) return tl::unexpected(offers.error());
    return parts.service.place(*command, *offers, request.trace).map_error([](const auto& refusal) {
        return to_problem(refusal);
    });
}

Handler placing(Parts& parts, int status) {
    return [&parts, status](const Request& request) -> Outcome {
        const auto customer = parts.authenticate(request);
        if (!customer) return tl::unexpected(customer.error());
        const auto id = place(parts, request, *customer);
        if (!id) return tl::unexpected(id.error());
        return Response{
            .status = status,
            .body = nlohmann::json{{"purchase_id", id->value}}.dump(),
            .headers = {{"Location", "/api/v1/purchases/" + std::to_string(id->value)}}};
    };
}

std::string to_json(const View& view) {
    const auto& [purchase, state, last_seq] = view;
    auto items = nlohmann::json::array();
    for (const auto& item : purchase.items) {
        items.push_back({{"product_id", item.product.value},
                         {"quantity", item.quantity},
                         {"price", item.price}});
    }
    nlohmann::json body{
        {"purchase_id", purchase.id.value}, {"status", to_string(state.status)},
        {"step", to_string(state.step)},    {"success", nullptr},
        {"amount", purchase.amount.minor},  {"currency_code", purchase.amount.currency.code()},
        {"order_items", std::move(items)}};
    if (state.success) body["success"] = *state.success;
    return body.dump();
}

// Which purchase a request means.
using ReadId = tl::expected<std::int64_t, Problem> (*)(Parts&, const Request&, CustomerId);

tl::expected<std::int64_t, Problem> id_in_path(Parts&, const Request& request, CustomerId) {
    return id_parameter(request, "id");
}

// Older clients know no number, and mean their last one.
tl::expected<std::int64_t, Problem> id_in_query_or_last(Parts& parts, const Request& request,
                                                        CustomerId customer) {
    if (request.query.contains("purchase_id")) return id_query(request, "purchase_id");
    const auto last = parts.service.newest(customer);
    if (!last) return tl::unexpected(Problem{404, "there is no purchase yet"});
    return last->value;
}

// A route of one purchase of the customer's own.
Handler of_own(Parts& parts, ReadId read_id, Outcome (*show)(Parts&, const Request&, const View&)) {
    return [&parts, read_id, show](const Request& request) -> Outcome {
        const auto customer = parts.authenticate(request);
        if (!customer) return tl::unexpected(customer.error());
        const auto id = read_id(parts, request, *customer);
        if (!id) return tl::unexpected(id.error());
        const auto view = parts.service.find(PurchaseId{*id}, *customer);
        if (!view)
            return tl::unexpected(Problem{404, "there is no purchase " + std::to_string(*id)});
        return show(parts, request, *view);
    };
}

Outcome show_state(Parts&, const Request&, const View& view) {
    return Response{.body = to_json(view)};
}

Outcome show_events(Parts& parts, const Request& request, const View& view) {
    const auto after = std::min(last_event_id(request.header("Last-Event-ID")), view.last_seq);
    // Tells an EventSource, which comes back after every end, that it need not.
    if (view.state.success && after == view.last_seq) return Response{.status = 204};
    auto watch = parts.feed.watch(view.purchase.id);
    if (!watch) {
        return tl::unexpected(Problem{
            503, "too many clients listen to events: try again", {}, {{"Retry-After", "5"}}});
    }
    return Response{
        .content_type = "text/event-stream",
        .headers = {{"X-Accel-Buffering", "no"}},  // proxies pass each event on at once
        .stream = event_stream(parts.service, view.purchase.id, after, std::move(watch))};
}

}  // namespace

void add_routes(Dispatcher& dispatcher, Parts& parts) {
    dispatcher.on("POST", "/api/v1/purchases", placing(parts, 202));
    dispatcher.on("POST", "/api/purchase", placing(parts, 201));
    dispatcher.on("GET", "/api/v1/purchases/:id", of_own(parts, id_in_path, show_state));
    dispatcher.on("GET", "/api/v1/purchases/:id/events", of_own(parts, id_in_path, show_events));
    dispatcher.on("GET", "/api/purchase/result", of_own(parts, id_in_query_or_last, show_events));
}

void subscribe(outbox::Consumer& consumer, Feed& feed) {
    consumer.on_batch(
        {"PurchaseResult"}, [](pqxx::transaction_base& tx, outbox::Messages messages) {
            std::vector<domain::purchase::Change> changes;
            changes.reserve(messages.size());
            for (const auto* message : messages)
                changes.push_back(read(domain::purchase::read_purchase_result, *message));
            // Trying again would be refused again: a person has to look at it.
            const auto applied = domain::purchase::apply(tx, changes);
            if (!applied) throw outbox::PoisonMessage(applied.error().detail);
        });
    consumer.after_batch([&feed](bool) { feed.look(); });
}

}  // namespace http::purchase

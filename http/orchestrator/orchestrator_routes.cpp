#include "http/orchestrator/orchestrator_routes.hpp"

#include <utility>
#include <variant>

#include "domain/saga/saga_operate.hpp"
#include "faults.hpp"
#include "http/json_body.hpp"
#include "http/saga_command.hpp"
#include "http/secret.hpp"

namespace http::orchestrator {
namespace {

namespace saga = domain::saga;
using domain::PurchaseId;

// Serves a request that has the token.
Handler guarded(const std::string& token, Handler serve) {
    return
        [wanted = "Bearer " + token, serve = std::move(serve)](const Request& request) -> Outcome {
            if (is_same_secret(request.header("Authorization"), wanted) ||
                faults::mutant("any_operator"))
                return serve(request);
            return tl::unexpected(Problem{.status = 401,
                                          .detail = "give the operator's token",
                                          .headers = {{"WWW-Authenticate", "Bearer"}}});
        };
}

Outcome get_saga(domain::Pool& pool, const Request& request) {
    const auto id = id_parameter(request, "id");
    if (!id) return tl::unexpected(id.error());
    auto shown = saga::show(pool, PurchaseId{*id});
    if (!shown) return tl::unexpected(Problem{404, "there is no saga " + std::to_string(*id)});
    return Response{.body = std::move(*shown)};
}

Outcome list_sagas(domain::Pool& pool, const Request& request) {
    const auto state = request.query.find("state");
    const auto wanted = state == request.query.end() ? "in_flight" : state->second;
    if (wanted != "stuck" && wanted != "in_flight")
        return tl::unexpected(invalid("state", "must be stuck or in_flight"));
    const auto which = wanted == "stuck" ? saga::Which::stuck : saga::Which::in_flight;
    return Response{.body = R"({"sagas":)" + saga::list(pool, which) + "}"};
}

tl::expected<saga::Force, Problem> read_force(const nlohmann::json& body) {
    const auto step = whole_number(body, "step", "", {0, saga::steps - 1});
    if (!step) return tl::unexpected(step.error());
    const auto outcome = string_member(body, "outcome");
    if (!outcome) return tl::unexpected(outcome.error());
    if (*outcome != "success" && *outcome != "failure")
        return tl::unexpected(invalid("outcome", "must be success or failure"));
    return saga::Force{saga::Step{static_cast<int>(*step)}, *outcome == "success"};
}

// ask(id, body, reason) does what the route is for.
template <class Ask>
Handler operation(Ask ask) {
    return [ask](const Request& request) -> Outcome {
        const auto id = id_parameter(request, "id");
        if (!id) return tl::unexpected(id.error());
        const auto body = json_object(request.body);
        if (!body) return tl::unexpected(body.error());
        const auto reason = string_member(*body, "reason");
        if (!reason) return tl::unexpected(reason.error());
        return ask(PurchaseId{*id}, *body, *reason);
    };
}

Outcome accepted(const tl::expected<std::string, domain::Refusal>& audit) {
    if (!audit) return tl::unexpected(to_problem(audit.error()));
    return Response{.status = 202, .body = *audit};
}

std::variant<saga::CreatePurchase, saga::Answer> hear(const outbox::Message& message) {
    if (message.type == "CreatePurchase") return read(saga::read_create_purchase, message);
    const auto handler = message.headers.find("handler");
    auto answer =
        saga::read_reply(message.payload, handler == message.headers.end() ? "" : handler->second);
    if (!answer) throw outbox::PoisonMessage(answer.error());
    return std::move(*answer);
}

}  // namespace

void add_routes(Dispatcher& dispatcher, domain::Pool& pool, const std::string& token) {
    if (token.empty()) return;
    const auto on = [&](const char* method, const char* pattern, Handler serve) {
        dispatcher.on(method, pattern, guarded(token, std::move(serve)));
    };
    on("GET", "/api/v1/sagas", [&pool](const auto& request) { return list_sagas(pool, request); });
    on("GET", "/api/v1/sagas/:id",
       [&pool](const auto& request) { return get_saga(pool, request); });
    on("POST", "/api/v1/sagas/:id/retry",
       operation([&pool](PurchaseId id, const auto&, const std::string& reason) {
           return accepted(saga::retry(pool, id, reason));
       }));
    on("POST", "/api/v1/sagas/:id/compensate",
       operation([&pool](PurchaseId id, const auto&, const std::string& reason) {
           return accepted(saga::compensate(pool, id, reason));
       }));
    on("POST", "/api/v1/sagas/:id/force",
       operation([&pool](PurchaseId id, const auto& body, const std::string& reason) -> Outcome {
           const auto outcome = read_force(body);
           if (!outcome) return tl::unexpected(outcome.error());
           return accepted(saga::force(pool, id, *outcome, reason));
       }));
}

void subscribe(outbox::Consumer& consumer, saga::SagaService& service) {
    consumer.on_batch({"CreatePurchase", "Reply"},
                      [&](pqxx::transaction_base& tx, outbox::Messages messages) {
                          std::vector<saga::SagaService::Heard> all;
                          all.reserve(messages.size());
                          for (const auto* message : messages) {
                              all.push_back({hear(*message), message->id, trace_of(*message)});
                          }
                          // Trying again would be refused again: a person has to look at it.
                          const auto heard = service.hear(tx, all);
                          if (!heard) throw outbox::PoisonMessage(heard.error().detail);
                      });
}

}  // namespace http::orchestrator

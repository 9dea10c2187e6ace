#include "http/account/account_routes.hpp"

#include <nlohmann/json.hpp>

#include "http/account/account_requests.hpp"

namespace http::account {
namespace {

namespace domain_account = domain::account;
using domain_account::AccountService;
using domain_account::Profiles;

// A 401 always says how to do better (RFC 9110, section 11.6.1).
Problem problem_of(const domain::Refusal& refusal) {
    auto problem = to_problem(refusal);
    if (problem.status == 401) problem.headers.emplace_back("WWW-Authenticate", "Bearer");
    return problem;
}

Outcome answer(const tl::expected<domain_account::Pair, domain::Refusal>& pair, int status) {
    if (!pair) return tl::unexpected(problem_of(pair.error()));
    return Response{
        .status = status,
        .body = nlohmann::json{{"access_token", pair->access}, {"refresh_token", pair->refresh}}
                    .dump()};
}

Outcome answer(const tl::expected<void, domain::Refusal>& done) {
    if (!done) return tl::unexpected(problem_of(done.error()));
    return Response{.body = R"({"message":"success"})"};
}

Outcome answer(const std::optional<domain_account::Personal>& found) {
    if (!found) return tl::unexpected(Problem{404, "there is no such account"});
    return Response{.body = nlohmann::json{{"first_name", found->first_name},
                                           {"last_name", found->last_name},
                                           {"email", found->email}}
                                .dump()};
}

Outcome answer(const std::optional<domain_account::Delivery>& found) {
    if (!found) return tl::unexpected(Problem{404, "there is no such account"});
    return Response{
        .body = nlohmann::json{{"address", found->address}, {"phone_number", found->phone_number}}
                    .dump()};
}

Outcome enroll(AccountService& service, const Request& request) {
    const auto registration = read_registration(request.body);
    if (!registration) return tl::unexpected(registration.error());
    return answer(service.enroll(*registration, request.trace), 201);
}

Outcome login(AccountService& service, const Request& request) {
    const auto credentials = read_credentials(request.body);
    if (!credentials) return tl::unexpected(credentials.error());
    return answer(service.login({credentials->email, credentials->password, request.remote}), 200);
}

Outcome refresh(AccountService& service, const Request& request) {
    const auto token = read_refresh_token(request.body);
    if (!token) return tl::unexpected(token.error());
    return answer(service.refresh(*token), 200);
}

Outcome logout(AccountService& service, const Request& request) {
    const auto token = read_refresh_token(request.body);
    if (!token) return tl::unexpected(token.error());
    return answer(service.logout(*token));
}

// A handler that knows who asks.
template <class Function>
Handler for_customer(const Authenticate& authenticate, Function function) {
    return [authenticate, function](const Request& request) -> Outcome {
        const auto customer = authenticate(request);
        if (!customer) return tl::unexpected(customer.error());
        return function(*customer, request);
    };
}

template <class Part>
Handler change(Profiles& profiles, const Authenticate& authenticate,
               tl::expected<Part, Problem> (*read)(const std::string&)) {
    return for_customer(
        authenticate, [&profiles, read](domain::CustomerId id, const Request& request) -> Outcome {
            const auto part = read(request.body);
            if (!part) return tl::unexpected(part.error());
            return answer(profiles.change(id, *part, request.trace));
        });
}

}  // namespace

void add_routes(Dispatcher& dispatcher, AccountService& service, Profiles& profiles,
                const Authenticate& authenticate) {
    const auto anybody = [&service](auto function) -> Handler {
        return [&service, function](const Request& request) { return function(service, request); };
    };
    dispatcher.on("POST", "/api/v1/account/auth/register", anybody(enroll));
    dispatcher.on("POST", "/api/v1/account/auth/login", anybody(login));
    dispatcher.on("POST", "/api/v1/account/auth/refresh", anybody(refresh));
    dispatcher.on("POST", "/api/v1/account/auth/logout", anybody(logout));
    const std::string personal = "/api/v1/account/customer/personal";
    const std::string delivery = "/api/v1/account/customer/delivery";
    dispatcher.on("GET", personal, for_customer(authenticate, [&profiles](auto id, const Request&) {
                      return answer(profiles.personal(id));
                  }));
    dispatcher.on("GET", delivery, for_customer(authenticate, [&profiles](auto id, const Request&) {
                      return answer(profiles.delivery(id));
                  }));
    dispatcher.on("PUT", personal, change(profiles, authenticate, read_personal));
    dispatcher.on("PUT", delivery, change(profiles, authenticate, read_delivery));
}

}  // namespace http::account

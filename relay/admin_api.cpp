#include "relay/admin_api.hpp"

#include <httplib.h>
#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <stdexcept>

#include "relay/operator_sql.hpp"
#include "relay/table_text.hpp"

namespace relay {
namespace {

// The audit trail tells it as detail.via.
constexpr auto session_sql =
    "set application_name = 'admin http'; set statement_timeout = '5s'; set lock_timeout = '2s'; "
    "set jit = off";

struct Problem {
    int status;
    std::string detail;
};

void refuse(httplib::Response& response, const Problem& problem) {
    response.status = problem.status;
    const nlohmann::json body{{"type", "about:blank"},
                              {"title", httplib::status_message(problem.status)},
                              {"status", problem.status},
                              {"detail", problem.detail}};
    response.set_content(body.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n",
                         "application/problem+json");
}

// In a time that tells nothing of where they differ.
bool same(const std::string& left, const std::string& right) {
    const auto digest = [](const std::string& text) {
        std::array<unsigned char, SHA256_DIGEST_LENGTH> result{};
        SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(), result.data());
        return result;
    };
    const auto a = digest(left), b = digest(right);
    return CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

Problem to_problem(const PostgresError& error) {
    const auto& state = error.sqlstate();
    // What libpq says of a session that fails may quote the connection string.
    if (state.empty()) return {503, "PostgreSQL is not reached; the relay's log says why"};
    if (state == "42501")
        return {403,
                error.plain() +
                    ". Set admin.dsn_file, or the database's admin_dsn_file, to the connection "
                    "string of a login role that is a member of postroom_operator; the "
                    "relay's own role may look only"};
    if (state == "57014" || state == "55P03")
        return {504, "PostgreSQL took too long to answer. Try: postroom explain"};
    if (state == "P0002") return {404, error.plain()};
    if (state == "55000") return {409, error.plain()};
    if (state.starts_with("22")) return {400, error.plain()};
    if (state.starts_with("42") || state == "3F000")
        return {409, error.plain() + ". Bring the schema up to date: postroom migrate"};
    return {500, error.plain()};
}

// Of the query: digits only, or the default.
std::string number(const httplib::Request& request, const char* name, const char* fallback) {
    const auto value = request.has_param(name) ? request.get_param_value(name) : fallback;
    if (value.empty() || value.size() > 6 ||
        !std::ranges::all_of(value, [](char c) { return c >= '0' && c <= '9'; }))
        throw std::invalid_argument{std::string{name} + " must be an integer from 0 to 999999"};
    return value;
}

// Of the one database, or of the one of several that the query names.
const std::string& choose(const std::map<std::string, std::string>& dsns,
                          const httplib::Request& request) {
    const auto name = request.get_param_value("database");
    if (name.empty() && dsns.size() == 1) return dsns.begin()->second;
    if (const auto found = dsns.find(name); found != dsns.end()) return found->second;
    std::string known;
    for (const auto& [one, dsn] : dsns) known += (known.empty() ? "" : ", ") + one;
    throw std::invalid_argument{name.empty() ? "say which: ?database=NAME, of " + known
                                             : "no database '" + name + "', but " + known};
}

struct Order {
    std::optional<std::string> reason, shard;
};

Order read_order(const httplib::Request& request) {
    Order order;
    if (request.body.empty()) return order;
    const auto body = nlohmann::json::parse(request.body, nullptr, false);
    if (!body.is_object()) throw std::invalid_argument{"the body must be a JSON object"};
    for (const auto& [name, value] : body.items()) {
        if (name == "reason" && value.is_string()) {
            order.reason = value.get<std::string>();
        } else if (name == "shard" && value.is_number_unsigned() &&
                   value.get<std::uint64_t>() <= 999'999) {
            order.shard = value.dump();
        } else {
            throw std::invalid_argument{
                "the body may have reason, a string, and shard, a small integer"};
        }
    }
    return order;
}

Result pause(Connection& connection, const httplib::Request& request) {
    const auto order = read_order(request);
    if (order.reason.value_or("").empty())
        throw std::invalid_argument{R"(say why: {"reason": "Kafka is being upgraded"})"};
    return connection.run(pause_sql, {order.reason, order.shard});
}

}  // namespace

void AdminApi::add_to(httplib::Server& server) {
    server.set_pre_routing_handler(
        [this](const httplib::Request& request, httplib::Response& response) {
            using Handled = httplib::Server::HandlerResponse;
            const bool ours = request.path == "/admin" || request.path.starts_with("/admin/");
            return !ours || admits(request, response) ? Handled::Unhandled : Handled::Handled;
        });
    const auto handler = [this](Work work) {
        return [this, work = std::move(work)](const httplib::Request& request,
                                              httplib::Response& response) {
            answer(work, request, response);
        };
    };
    server.Get("/admin/status", handler([](Connection& connection, const httplib::Request&) {
                   return connection.run(status_sql, {});
               }));
    server.Get("/admin/explain",
               handler([](Connection& connection, const httplib::Request& request) {
                   return connection.run(explain_sql, {number(request, "patience", "10")});
               }));
    server.Get("/admin/pending",
               handler([](Connection& connection, const httplib::Request& request) {
                   return connection.run(pending_sql, {number(request, "limit", "50")});
               }));
    server.Post("/admin/pause", handler(pause));
    server.Post("/admin/drain",
                handler([](Connection& connection, const httplib::Request& request) {
                    const auto order = read_order(request);
                    return connection.run(drain_sql, {order.reason, order.shard});
                }));
    server.Post("/admin/resume",
                handler([](Connection& connection, const httplib::Request& request) {
                    return connection.run(resume_sql, {read_order(request).shard});
                }));
    server.set_error_handler([](const httplib::Request& request, httplib::Response& response) {
        if (response.body.empty() && request.path.starts_with("/admin"))
            refuse(response, {response.status, "see the README for what /admin answers"});
    });
}

bool AdminApi::admits(const httplib::Request& request, httplib::Response& response) const {
    if (settings_.token.empty()) {
        refuse(response, {403, "/admin is off: set admin.token_file to a file with a token"});
        return false;
    }
    if (same(request.get_header_value("Authorization"), "Bearer " + settings_.token)) return true;
    spdlog::warn("admin http: refused {}, which gave no token or a wrong one", request.remote_addr);
    response.set_header("WWW-Authenticate", "Bearer");
    refuse(response, {401, "give the token: Authorization: Bearer TOKEN"});
    return false;
}

void AdminApi::answer(const Work& work, const httplib::Request& request,
                      httplib::Response& response) {
    const std::unique_lock alone{busy_, std::try_to_lock};
    if (!alone) {
        response.set_header("Retry-After", "1");
        refuse(response, {503, "another request to /admin is at work; try again"});
        return;
    }
    try {
        Connection connection{choose(settings_.dsns, request), "admin http"};
        connection.run(session_sql);
        const auto rows = work(connection, request);
        if (request.method == "POST")
            spdlog::info("admin http: {} from {}", request.target, request.remote_addr);
        response.set_content(as_json(rows), "application/json");
    } catch (const PostgresError& error) {
        spdlog::warn("admin http: {}", error.what());
        refuse(response, to_problem(error));
    } catch (const std::invalid_argument& error) {
        refuse(response, {400, error.what()});
    }
}

}  // namespace relay

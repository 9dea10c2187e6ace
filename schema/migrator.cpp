#include "schema/migrator.hpp"

#include <libpq-fe.h>

#include <array>
#include <concepts>
#include <memory>
#include <set>
#include <string_view>

#include "schema/migration_files.hpp"

namespace schema {
namespace {

using Connection = std::unique_ptr<PGconn, decltype([](PGconn* c) { PQfinish(c); })>;
using Result = std::unique_ptr<PGresult, decltype([](PGresult* r) { PQclear(r); })>;

constexpr auto create_table = R"sql(
    create schema if not exists postroom;
    create table if not exists postroom.migration (
        scope      text        not null,
        version    int         not null,
        name       text        not null,
        checksum   text        not null,
        applied_at timestamptz not null default clock_timestamp(),
        primary key (scope, version)
    );
    comment on schema postroom is 'What postroom keeps about a database itself';
    comment on table postroom.migration is
        'Migration files applied to this database, with the SHA-256 of their content';
    -- A service sees at its start whether its own have been applied.
    grant usage on schema postroom to public;
    grant select on postroom.migration to public;
)sql";
// The class is shared with the outbox's other advisory locks; 3 is the migrator's.
constexpr auto lock = "select pg_advisory_lock(1886352244, 3)";
constexpr auto select_applied =
    "select version, name, checksum from postroom.migration where scope = $1 order by version";
constexpr auto select_checksum = "select encode(sha256($1), 'hex')";
constexpr auto insert_applied = R"sql(
    insert into postroom.migration (scope, version, name, checksum) values ($1, $2::int, $3, $4)
)sql";

bool succeeded(const PGresult* result) {
    const ExecStatusType status = PQresultStatus(result);
    return status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK || status == PGRES_EMPTY_QUERY;
}

std::string field(const PGresult* result, int code) {
    const char* text = PQresultErrorField(result, code);
    return text != nullptr ? text : "";
}

Result checked(const Connection& connection, Result result) {
    if (!succeeded(result.get())) throw MigrationError{PQerrorMessage(connection.get())};
    return result;
}

Result execute(const Connection& connection, const std::string& sql) {
    return checked(connection, Result{PQexec(connection.get(), sql.c_str())});
}

template <std::same_as<std::string>... Text>
Result query(const Connection& connection, const char* sql, const Text&... parameters) {
    const std::array<const char*, sizeof...(parameters)> values{parameters.c_str()...};
    return checked(connection,
                   Result{PQexecParams(connection.get(), sql, static_cast<int>(values.size()),
                                       nullptr, values.data(), nullptr, nullptr, 0)});
}

Connection connect(const std::string& conninfo) {
    Connection connection{PQconnectdb(conninfo.c_str())};
    if (PQstatus(connection.get()) != CONNECTION_OK) {
        throw MigrationError{std::string{"cannot connect: "} + PQerrorMessage(connection.get())};
    }
    execute(connection, "set client_encoding = 'UTF8'; set client_min_messages = warning");
    return connection;
}

// Held until the connection closes: a migrator that is killed leaves no lock behind.
void take_lock(const Connection& connection, std::chrono::seconds timeout) {
    query(connection, "select set_config('lock_timeout', $1, false)",
          std::to_string(timeout.count()) + "s");
    const Result result{PQexec(connection.get(), lock)};
    if (field(result.get(), PG_DIAG_SQLSTATE) == "55P03") {
        throw MigrationError{"another migration of this database has been running for more than " +
                             std::to_string(timeout.count()) +
                             " s; let it end (see pg_stat_activity), or wait longer"};
    }
    if (!succeeded(result.get())) throw MigrationError{PQerrorMessage(connection.get())};
    execute(connection, "reset lock_timeout");
}

// PostgreSQL counts characters from 1; a line begins after each newline before that.
std::size_t line_of(std::string_view sql, std::size_t position) {
    std::size_t line = 1;
    for (const char c : sql) {
        const bool begins_character = (static_cast<unsigned char>(c) & 0xC0U) != 0x80U;
        if (begins_character && --position == 0) break;
        if (c == '\n') ++line;
    }
    return line;
}

[[noreturn]] void refuse_failed(const Scope& scope, const MigrationFile& file,
                                const PGresult* result, int statement) {
    const std::string position = field(result, PG_DIAG_STATEMENT_POSITION);
    const std::string where = position.empty()
                                  ? ": statement " + std::to_string(statement)
                                  : ":" + std::to_string(line_of(file.sql, std::stoul(position)));
    const std::string hint = field(result, PG_DIAG_MESSAGE_HINT);
    const std::string context = field(result, PG_DIAG_CONTEXT);
    throw MigrationError{(scope.dir / file.name).string() + where + ": " +
                         field(result, PG_DIAG_MESSAGE_PRIMARY) + " (SQLSTATE " +
                         field(result, PG_DIAG_SQLSTATE) + ")" + (hint.empty() ? "" : "; " + hint) +
                         (context.empty() ? "" : "; in " + context) +
                         "; nothing of this file was applied: mend it and migrate again"};
}

void apply(const Connection& connection, const Scope& scope, const MigrationFile& file,
           const std::string& checksum) {
    execute(connection, "begin");
    if (PQsendQuery(connection.get(), file.sql.c_str()) == 0) {
        throw MigrationError{PQerrorMessage(connection.get())};
    }
    for (int statement = 1; const Result result{PQgetResult(connection.get())}; ++statement) {
        if (!succeeded(result.get())) refuse_failed(scope, file, result.get(), statement);
    }
    if (PQtransactionStatus(connection.get()) != PQTRANS_INTRANS) {
        throw MigrationError{
            (scope.dir / file.name).string() +
            ": ends its own transaction; remove its commit or rollback, undo by hand "
            "what it has applied, and migrate again"};
    }
    query(connection, insert_applied, scope.name, std::to_string(file.version), file.name,
          checksum);
    execute(connection, "commit");
}

std::string checksum_of(const Connection& connection, const MigrationFile& file) {
    const int format = 1;
    const char* value = file.sql.data();
    const int length = static_cast<int>(file.sql.size());
    const Result result =
        checked(connection, Result{PQexecParams(connection.get(), select_checksum, 1, nullptr,
                                                &value, &length, &format, 0)});
    return PQgetvalue(result.get(), 0, 0);
}

// Refuses when history differs from what was applied; returns how many files have been applied.
std::size_t check_applied(const Connection& connection, const Scope& scope,
                          const std::vector<std::string>& checksums) {
    const Result applied = query(connection, select_applied, scope.name);
    const auto rows = static_cast<std::size_t>(PQntuples(applied.get()));
    for (std::size_t i = 0; i < rows; ++i) {
        const auto row = static_cast<int>(i);
        const std::string name = PQgetvalue(applied.get(), row, 1);
        const std::string path = (scope.dir / name).string();
        if (i >= scope.files.size() || scope.files[i].name != name) {
            throw MigrationError{path +
                                 ": was applied to this database, but is missing; restore it, "
                                 "and number newer files after it"};
        }
        if (checksums[i] != PQgetvalue(applied.get(), row, 2)) {
            throw MigrationError{path +
                                 ": has changed since it was applied; restore its content, and "
                                 "put the change into a new file"};
        }
    }
    return rows;
}

struct Plan {
    Scope scope;
    std::vector<std::string> checksums;
    std::size_t applied;
};

}  // namespace

Report migrate(const std::string& conninfo, const std::vector<std::filesystem::path>& dirs,
               const Options& options) {
    std::vector<Plan> plans;
    std::set<std::string> names;
    for (const auto& dir : dirs) {
        plans.push_back({read_scope(dir), {}, 0});
        if (!names.insert(plans.back().scope.name).second) {
            throw MigrationError{dir.string() + ": scope " + plans.back().scope.name +
                                 " was given twice; name each directory once"};
        }
    }
    const Connection connection = connect(conninfo);
    take_lock(connection, options.lock_timeout);
    execute(connection, create_table);

    // Every scope is checked before anything is applied.
    for (Plan& plan : plans) {
        for (const MigrationFile& file : plan.scope.files) {
            plan.checksums.push_back(checksum_of(connection, file));
        }
        plan.applied = check_applied(connection, plan.scope, plan.checksums);
    }
    Report report;
    for (const Plan& plan : plans) {
        report.already_applied += static_cast<int>(plan.applied);
        for (std::size_t i = plan.applied; i < plan.scope.files.size(); ++i) {
            apply(connection, plan.scope, plan.scope.files[i], plan.checksums[i]);
            report.applied.push_back(plan.scope.name + "/" + plan.scope.files[i].name);
        }
    }
    return report;
}

}  // namespace schema

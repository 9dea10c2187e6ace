#include "relay/postgres.hpp"

#include <poll.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "faults.hpp"

namespace relay {
namespace {

std::string trimmed(const char* message) {
    std::string text{message != nullptr ? message : ""};
    while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
    return text;
}

std::vector<const char*> pointers(std::initializer_list<std::optional<std::string>> texts) {
    std::vector<const char*> all;
    all.reserve(texts.size());
    for (const auto& text : texts) all.push_back(text ? text->c_str() : nullptr);
    return all;
}

}  // namespace

bool PostgresError::is_retryable() const {
    static constexpr std::array hopeless{"28", "3D", "42", "22", "23", "0A"};  // SQLSTATE classes
    return std::ranges::none_of(hopeless, [&](const char* c) { return sqlstate_.starts_with(c); });
}

std::int64_t Result::number(int row, int column) const {
    const auto text = at(row, column);
    std::int64_t value{};
    if (std::from_chars(text.data(), text.data() + text.size(), value).ec != std::errc{})
        throw std::logic_error{"not a number: " + std::string{text}};
    return value;
}

std::string as_array(const std::vector<std::string>& values) {
    std::string array = "{";
    for (const auto& value : values) {
        array += array.size() == 1 ? "\"" : ",\"";
        for (const char c : value) {
            if (c == '"' || c == '\\') array += '\\';
            array += c;
        }
        array += '"';
    }
    return array + "}";
}

Connection::Connection(const std::string& dsn, const std::string& application_name, For purpose)
    : connection_{nullptr, &PQfinish}, copied_{nullptr, &PQfreemem} {
    const bool unverified = faults::mutant("any_server");
    const std::array keywords{"dbname",           "fallback_application_name",
                              "connect_timeout",  "keepalives_idle",
                              "tcp_user_timeout", "client_encoding",
                              "replication",      "sslmode",
                              "sslrootcert",      static_cast<const char*>(nullptr)};
    const std::array values{dsn.c_str(),
                            application_name.c_str(),
                            "10",
                            "10",
                            "15000",
                            "UTF8",
                            purpose == For::replication ? "database" : nullptr,
                            unverified ? "require" : nullptr,
                            unverified ? "none" : nullptr,
                            static_cast<const char*>(nullptr)};
    connection_.reset(PQconnectdbParams(keywords.data(), values.data(), 1));
    if (!connection_ || PQstatus(connection_.get()) != CONNECTION_OK) {
        throw PostgresError{
            "cannot connect to PostgreSQL: " + trimmed(PQerrorMessage(connection_.get())), ""};
    }
    PQsetNoticeProcessor(connection_.get(), [](void*, const char*) {}, nullptr);
}

void Connection::fail(const PGresult* result, std::string_view doing) const {
    const auto field = [&](int code) {
        const char* value = result != nullptr ? PQresultErrorField(result, code) : nullptr;
        return std::string{value != nullptr ? value : ""};
    };
    const auto hint = field(PG_DIAG_MESSAGE_HINT);
    const char* text = result != nullptr ? PQresultErrorMessage(result) : "";
    throw PostgresError{trimmed(*text != '\0' ? text : PQerrorMessage(connection_.get())) +
                            " (doing: " + std::string{doing.substr(0, 120)} + ")",
                        field(PG_DIAG_SQLSTATE),
                        field(PG_DIAG_MESSAGE_PRIMARY) + (hint.empty() ? "" : ". " + hint)};
}

Result Connection::checked(PGresult* raw, std::string_view sql) const {
    Result result{raw};
    switch (PQresultStatus(raw)) {
        case PGRES_COMMAND_OK:
        case PGRES_TUPLES_OK:
        case PGRES_COPY_OUT:
        case PGRES_COPY_BOTH:
            return result;
        default:
            fail(raw, sql);
    }
}

Result Connection::run(const std::string& sql) {
    return checked(PQexec(connection_.get(), sql.c_str()), sql);
}

Result Connection::run(const std::string& sql,
                       std::initializer_list<std::optional<std::string>> parameters) {
    const auto values = pointers(parameters);
    return checked(PQexecParams(connection_.get(), sql.c_str(), static_cast<int>(values.size()),
                                nullptr, values.data(), nullptr, nullptr, 0),
                   sql);
}

void Connection::send(const std::string& sql) {
    if (PQsendQuery(connection_.get(), sql.c_str()) == 0) fail(nullptr, sql);
}

bool Connection::answered() {
    if (PQconsumeInput(connection_.get()) == 0) fail(nullptr, "an answer");
    if (PQisBusy(connection_.get()) != 0) return false;
    while (PGresult* answer = PQgetResult(connection_.get())) checked(answer, "an answer");
    return true;
}

void Connection::prepare(const std::string& name, const std::string& sql) {
    checked(PQprepare(connection_.get(), name.c_str(), sql.c_str(), 0, nullptr), sql);
}

Result Connection::run_prepared(const std::string& name,
                                std::initializer_list<std::optional<std::string>> parameters) {
    const auto values = pointers(parameters);
    return checked(PQexecPrepared(connection_.get(), name.c_str(), static_cast<int>(values.size()),
                                  values.data(), nullptr, nullptr, 0),
                   name);
}

void Connection::stream_prepared(const std::string& name,
                                 std::initializer_list<std::optional<std::string>> parameters,
                                 const std::function<bool(const Result&)>& take) {
    constexpr int rows_at_a_time = 64;
    const auto values = pointers(parameters);
    if (PQsendQueryPrepared(connection_.get(), name.c_str(), static_cast<int>(values.size()),
                            values.data(), nullptr, nullptr, 1) == 0 ||
        PQsetChunkedRowsMode(connection_.get(), rows_at_a_time) == 0)
        fail(nullptr, name);
    bool wanted = true;
    while (PGresult* raw = PQgetResult(connection_.get())) {
        const Result result{raw};
        if (!wanted) continue;  // the rest, or the cancellation
        switch (PQresultStatus(raw)) {
            case PGRES_TUPLES_OK:
                break;
            case PGRES_TUPLES_CHUNK:
                wanted = take(result);
                if (!wanted) cancel();
                break;
            default:
                fail(raw, name);
        }
    }
}

void Connection::cancel() {
    const std::unique_ptr<PGcancelConn, void (*)(PGcancelConn*)> cancelling{
        PQcancelCreate(connection_.get()), &PQcancelFinish};
    // Should it fail, the rest is read instead.
    static_cast<void>(PQcancelBlocking(cancelling.get()));
}

void Connection::start_copy(const std::string& sql) {
    const auto status = PQresultStatus(run(sql).get());
    if (status != PGRES_COPY_OUT && status != PGRES_COPY_BOTH)
        throw std::logic_error{"not a COPY: " + sql};
}

void Connection::put_copy(std::string_view message) {
    if (PQputCopyData(connection_.get(), message.data(), static_cast<int>(message.size())) != 1 ||
        PQflush(connection_.get()) != 0)
        fail(nullptr, "COPY");
}

Connection::Copy Connection::copy_row(std::string_view& row) {
    char* data = nullptr;
    int length = PQgetCopyData(connection_.get(), &data, 1);
    if (length == 0) {
        if (PQconsumeInput(connection_.get()) == 0) fail(nullptr, "COPY");
        length = PQgetCopyData(connection_.get(), &data, 1);
    }
    copied_.reset(data);
    if (length > 0) {
        row = {data, static_cast<std::size_t>(length)};
        return Copy::row;
    }
    if (length == 0) return Copy::none_yet;
    if (length == -2) fail(nullptr, "COPY");
    // The end: the command's own status tells whether the rows were all of them.
    while (PGresult* last = PQgetResult(connection_.get())) checked(last, "COPY");
    return Copy::end;
}

bool Connection::take_notifications() {
    if (PQconsumeInput(connection_.get()) == 0) fail(nullptr, "LISTEN");
    bool rung = false;
    while (PGnotify* notification = PQnotifies(connection_.get())) {
        PQfreemem(notification);
        rung = true;
    }
    return rung;
}

bool Connection::await_notification(std::chrono::milliseconds limit, int wake_up_fd, int news_fd) {
    // One may have come in with the answer to a query, which leaves the socket silent.
    if (take_notifications()) return true;
    std::array fds{pollfd{PQsocket(connection_.get()), POLLIN, 0}, pollfd{wake_up_fd, POLLIN, 0},
                   pollfd{news_fd, POLLIN, 0}};
    if (::poll(fds.data(), fds.size(), static_cast<int>(limit.count())) <= 0) return false;
    return (fds[0].revents != 0) && take_notifications();
}

}  // namespace relay

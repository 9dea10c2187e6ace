// libpq as values: a connection and its results, freed by scope, with errors that carry their
// SQLSTATE.
//
// A connection never reconnects by itself: a lease, a session lock and a snapshot all die with
// their session, so whoever holds them has to notice. Not thread-safe; one thread at a time uses a
// connection.
#pragma once

#include <libpq-fe.h>

#include <chrono>
#include <concepts>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace relay {

class PostgresError : public std::runtime_error {
public:
    PostgresError(const std::string& what, std::string sqlstate, std::string plain = {})
        : std::runtime_error{what}, sqlstate_{std::move(sqlstate)}, plain_{std::move(plain)} {}
    // Five characters, or empty when the connection itself failed.
    const std::string& sqlstate() const { return sqlstate_; }
    bool is_unique_violation() const { return sqlstate_ == "23505"; }
    // False for what no retry mends: no such database or role, a bad password, a missing privilege.
    bool is_retryable() const;
    // For people: the server's message and hint alone, or all when there is none.
    std::string plain() const { return plain_.empty() ? what() : plain_; }

private:
    std::string sqlstate_, plain_;
};

class Result {
public:
    explicit Result(PGresult* result) : result_{result, &PQclear} {}
    int rows() const { return PQntuples(result_.get()); }
    bool null(int row, int column) const { return PQgetisnull(result_.get(), row, column) != 0; }
    // The column's bytes, valid as long as the result.
    std::string_view at(int row, int column) const {
        return {PQgetvalue(result_.get(), row, column),
                static_cast<std::size_t>(PQgetlength(result_.get(), row, column))};
    }
    std::int64_t number(int row, int column) const;  // of a text-format column
    PGresult* get() const { return result_.get(); }

private:
    std::unique_ptr<PGresult, void (*)(PGresult*)> result_;
};

// A list as PostgreSQL writes an array of it, as a parameter.
std::string as_array(const std::vector<std::string>& values);
template <std::integral Number>
std::string as_array(const std::vector<Number>& numbers) {
    std::vector<std::string> values;
    values.reserve(numbers.size());
    for (const auto number : numbers) values.push_back(std::to_string(number));
    return as_array(values);
}

class Connection {
public:
    enum class For { queries, replication };
    // Throws PostgresError when no session comes up within ten seconds.
    Connection(const std::string& dsn, const std::string& application_name,
               For purpose = For::queries);

    // One statement or several, without parameters.
    Result run(const std::string& sql);
    // One statement with text parameters; nullopt is NULL.
    Result run(const std::string& sql,
               std::initializer_list<std::optional<std::string>> parameters);
    void prepare(const std::string& name, const std::string& sql);
    Result run_prepared(const std::string& name,
                        std::initializer_list<std::optional<std::string>> parameters);
    // Gives the rows in binary as they come, some at a time; cancels the rest when take() is false.
    void stream_prepared(const std::string& name,
                         std::initializer_list<std::optional<std::string>> parameters,
                         const std::function<bool(const Result&)>& take);

    // Sends one statement. answered() is true, once, when its answer has arrived; throws as run()
    // does.
    void send(const std::string& sql);
    bool answered();

    // Starts COPY … TO STDOUT, or START_REPLICATION; then copy_row() until the end.
    void start_copy(const std::string& sql);
    enum class Copy { row, none_yet, end };
    // The next CopyData message, valid until the next call, if it has arrived: waits for nothing.
    Copy copy_row(std::string_view& row);
    // To the other end of a replication.
    void put_copy(std::string_view message);

    // Waits for a notification, the limit, or one of the descriptors to become readable; true when
    // a notification has arrived, and takes them all.
    bool await_notification(std::chrono::milliseconds limit, int wake_up_fd, int news_fd = -1);
    int socket() const { return PQsocket(connection_.get()); }
    std::string database() const { return PQdb(connection_.get()); }

private:
    [[noreturn]] void fail(const PGresult* result, std::string_view doing) const;
    Result checked(PGresult* result, std::string_view sql) const;
    void cancel();
    bool take_notifications();

    std::unique_ptr<PGconn, void (*)(PGconn*)> connection_;
    std::unique_ptr<char, void (*)(void*)> copied_;
};

}  // namespace relay

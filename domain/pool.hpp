// A bounded pool of PostgreSQL connections of one service.
//
//   auto connection = pool.acquire();     // waits at most Options::wait
//   pqxx::work tx{*connection};
//
// Connects when needed; what came back broken is closed and replaced by the next acquire.
// Thread-safe.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <memory>
#include <mutex>
#include <pqxx/connection>
#include <stdexcept>
#include <string>
#include <vector>

#include "outbox/prepared.hpp"

namespace domain {

// Every connection was in use for as long as a caller may wait: the service is overloaded.
struct PoolExhausted : std::runtime_error {
    using std::runtime_error::runtime_error;
};

class Pool {
public:
    struct Options {
        std::string dsn;
        std::size_t size = 16;
        std::chrono::milliseconds wait{2000};
        std::chrono::seconds connect_timeout{3};
        std::chrono::milliseconds statement_timeout{5000};
    };

    struct Session {
        explicit Session(const std::string& dsn) : connection{dsn} {}
        pqxx::connection connection;
        outbox::PreparedStatements prepared{connection};
    };

    // Returns the connection to the pool at its end, unless it broke meanwhile. Must not outlive
    // the pool.
    class Lease {
    public:
        Lease(Pool& pool, std::unique_ptr<Session> session);
        Lease(const Lease&) = delete;
        Lease& operator=(const Lease&) = delete;
        ~Lease();
        pqxx::connection& operator*() const { return session_->connection; }

    private:
        Pool& pool_;
        std::unique_ptr<Session> session_;
    };

    explicit Pool(Options options);

    // Throws PoolExhausted, or pqxx::broken_connection when the database cannot be reached.
    Lease acquire();

    // Closes the connections that nobody uses: after one broke, the others are likely stale too.
    void drop_idle();

    // The DSN with the time-outs of the pool's connections, for sessions beside it.
    const std::string& dsn() const { return dsn_; }

    // The database as words for a log line: host, port and name, never the password.
    const std::string& where() const { return where_; }

private:
    void give_back(std::unique_ptr<Session> session);

    const Options options_;
    const std::string where_;
    const std::string dsn_;
    std::mutex mutex_;
    std::condition_variable returned_;
    std::vector<std::unique_ptr<Session>> idle_;
    std::size_t lent_ = 0;
};

}  // namespace domain

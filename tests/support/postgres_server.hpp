// A PostgreSQL server of a test's own, which may be stopped hard and started again on its data.
//
//   support::PostgresServer server{{{"max_notify_queue_pages", "64"}}};
//   support::Database database{{"outbox"}, server.conninfo()};
//   server.stop_immediately();  // nothing is flushed, every session is cut
//   server.start();             // recovers, and returns once it accepts sessions
//
//   support::PostgresServer standby{server, {}};  // a physical copy, which follows it
//   support::Database either{{"outbox"}, support::failover_conninfo(server, standby)};
//   server.kill();
//   standby.promote();
//
// On a loopback port that it keeps. Needs root, as it runs the server as the user postgres.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "support/process.hpp"

namespace support {

class PostgresServer {
public:
    // wal: an empty directory for the log, in files of a mebibyte; beside the data unless told.
    explicit PostgresServer(std::map<std::string, std::string> settings = {},
                            const std::filesystem::path& wal = {});
    // The hot standby of a running server, once it streams from it, by its slot "standby".
    PostgresServer(const PostgresServer& primary, std::map<std::string, std::string> settings);
    ~PostgresServer();  // ends it and removes its data
    PostgresServer(const PostgresServer&) = delete;
    PostgresServer& operator=(const PostgresServer&) = delete;

    std::string conninfo() const;  // a superuser's, without dbname
    void start();
    void stop_immediately();
    // While it is stopped: keeps its data as a copy of the volume does, and goes back to that.
    void keep() const;
    void go_back() const;
    std::string log() const;  // since the last start
    void kill();              // SIGKILL; its sessions end when they notice
    // A setting that a running server can take, by ALTER SYSTEM.
    void set(const std::string& name, const std::string& value) const;
    void stop_following() const;  // a standby's: what the primary writes from now on is not here
    void promote() const;

private:
    friend std::string failover_conninfo(const PostgresServer&, const PostgresServer&);
    void make_directory() const;
    bool holds(const char* sql) const;

    std::filesystem::path dir_;
    int port_;
    std::map<std::string, std::string> settings_;
    std::unique_ptr<Process> process_;
};

// Of whichever of the two takes writes.
std::string failover_conninfo(const PostgresServer& one, const PostgresServer& other);

}  // namespace support

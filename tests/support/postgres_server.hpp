// A PostgreSQL server of a test's own, which may be stopped hard and started again on its data.
//
//   support::PostgresServer server{{{"max_notify_queue_pages", "64"}}};
//   support::Database database{{"outbox"}, server.conninfo()};
//   server.stop_immediately();  // nothing is flushed, every session is cut
//   server.start();             // recovers, and returns once it accepts sessions
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
    explicit PostgresServer(std::map<std::string, std::string> settings = {});
    ~PostgresServer();  // ends it and removes its data
    PostgresServer(const PostgresServer&) = delete;
    PostgresServer& operator=(const PostgresServer&) = delete;

    std::string conninfo() const;  // a superuser's, without dbname
    void start();
    void stop_immediately();

private:
    std::filesystem::path dir_;
    int port_;
    std::map<std::string, std::string> settings_;
    std::unique_ptr<Process> process_;
};

}  // namespace support

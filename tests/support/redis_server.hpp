// Redis servers of a test's own, which may be killed, frozen and started again: one, or a cluster.
//
//   support::RedisServer redis;          // redis.address(), support::redis_password
//   redis.kill();
//   redis.start();                       // at the same port, and empty
//
//   support::RedisCluster cluster;       // three masters, each with a replica
//   cluster.server(cluster.master_of(slot)).kill();
//
// On loopback ports that they keep, without persistence.
#pragma once

#include <chrono>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "support/process.hpp"

namespace support {

constexpr auto redis_password = "test";

class RedisServer {
public:
    // settings: redis.conf's, besides the test's own.
    explicit RedisServer(std::vector<std::string> settings = {});
    ~RedisServer();
    RedisServer(const RedisServer&) = delete;
    RedisServer& operator=(const RedisServer&) = delete;

    int port() const { return port_; }
    std::string address() const;
    void start();  // returns once it answers
    void kill();   // SIGKILL
    void signal(int number) { process_->signal(number); }

    // What redis-cli prints for a command, without the last line's end. Throws when it fails.
    std::string cli(const std::vector<std::string>& command) const;

private:
    std::filesystem::path dir_;
    int port_;
    std::vector<std::string> settings_;
    std::unique_ptr<Process> process_;
};

class RedisCluster {
public:
    RedisCluster();

    std::vector<std::string> addresses() const;
    RedisServer& server(std::size_t index) { return *servers_.at(index); }
    // Which server is the slot's master, as one sees it that answers; throws when there is none.
    std::size_t master_of(int slot);
    std::optional<std::size_t> find_master(int slot);
    // A server that is a master, and not that one.
    std::size_t other_master(std::size_t index);
    // Gives what the cluster calls a server.
    std::string id(std::size_t index) { return servers_.at(index)->cli({"CLUSTER", "MYID"}); }

private:
    std::vector<std::unique_ptr<RedisServer>> servers_;
};

}  // namespace support

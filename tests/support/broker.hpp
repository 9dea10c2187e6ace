// A Kafka cluster of a test's own, whose nodes may be killed: KRaft, on free loopback ports.
//
//   support::Brokers brokers{2};
//   brokers.kill(2);   // SIGKILL
//   brokers.start(2);  // the same node on the same data, once it answers
//
// Node 1 is the controller as well; of three nodes or more none is, so that any may be killed.
// Needs POSTROOM_TEST_KAFKA_JARS, a directory of Kafka's jars, and java.
#pragma once

#include <csignal>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "support/process.hpp"

namespace support {

class Brokers {
public:
    // Each node listens for TLS and SCRAM-SHA-512 as well, under the host name localhost.
    struct Secured {
        std::filesystem::path keystore;  // PEM: key and certificate
        std::string user, password;
    };

    // advertised: given a node's port, the one that its clients are told; its own by default.
    explicit Brokers(int nodes, const std::function<int(int)>& advertised = {},
                     std::optional<Secured> secured = std::nullopt);
    ~Brokers();  // kills them and removes their data
    Brokers(const Brokers&) = delete;
    Brokers& operator=(const Brokers&) = delete;

    std::string bootstrap() const;
    std::string address(int node) const;
    std::string secure_address(int node) const;
    void kill(int node);
    void lose(int node);  // kills it, with all that its disk held
    void freeze(int node) { signal(node, SIGSTOP); }
    void thaw(int node) { signal(node, SIGCONT); }
    void start(int node);
    void await_live(int count) const;  // as the cluster sees it: takes seconds after a kill

private:
    struct Node {
        int number, port, secure_port;
        std::filesystem::path properties;
        std::unique_ptr<Process> process;
    };

    Node& node(int number) { return nodes_.at(static_cast<std::size_t>(number - 1)); }
    void signal(int number, int signal) { node(number).process->signal(signal); }
    Node configure(int number, const std::string& roles, const std::function<int(int)>& advertised);
    std::filesystem::path data(const Node& node) const;

    void format(const std::vector<std::filesystem::path>& nodes) const;

    std::filesystem::path dir_;
    std::optional<Secured> secured_;
    int replicas_;        // of what transactions are, of which more than half have to be in sync
    int controller_ = 1;  // its node id
    int controller_port_;
    std::vector<Node> nodes_;
    std::unique_ptr<Process> controller_process_;  // unless node 1 is the controller
};

}  // namespace support

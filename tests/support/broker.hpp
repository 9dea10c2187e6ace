// A Kafka cluster of a test's own, whose nodes may be killed: KRaft, on free loopback ports.
//
//   support::Brokers brokers{2};
//   brokers.kill(2);   // SIGKILL
//   brokers.start(2);  // the same node on the same data, once it answers
//
// Node 1 is the controller as well. Needs POSTROOM_KAFKA_JARS, a directory of Kafka's jars, and
// java.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "support/process.hpp"

namespace support {

class Brokers {
public:
    // advertised: given a node's port, the one that its clients are told; its own by default.
    explicit Brokers(int nodes, const std::function<int(int)>& advertised = {});
    ~Brokers();  // kills them and removes their data
    Brokers(const Brokers&) = delete;
    Brokers& operator=(const Brokers&) = delete;

    std::string bootstrap() const;
    void kill(int node);
    void start(int node);
    void await_live(int count) const;  // as the cluster sees it: takes seconds after a kill

private:
    struct Node {
        int port;
        std::filesystem::path properties;
        std::unique_ptr<Process> process;
    };

    Node& node(int number) { return nodes_.at(static_cast<std::size_t>(number - 1)); }
    void configure(int number, int controller_port, const std::function<int(int)>& advertised);

    std::filesystem::path dir_;
    std::vector<Node> nodes_;
};

}  // namespace support

#include "support/broker.hpp"

#include <algorithm>
#include <csignal>
#include <format>
#include <fstream>
#include <stdexcept>
#include <utility>

#include "support/environment.hpp"
#include "support/kafka.hpp"
#include "support/loopback.hpp"
#include "support/wait.hpp"

namespace support {
namespace {

constexpr std::chrono::seconds start_limit{60};
constexpr auto cluster_id = "MkU3OEVBNTcwNTJENDM2Qk";

std::vector<std::string> java(const std::string& program,
                              const std::vector<std::string>& arguments) {
    std::vector<std::string> argv{"/usr/bin/env",
                                  "java",
                                  "-Xmx256m",
                                  "-XX:+UseSerialGC",
                                  "-XX:TieredStopAtLevel=1",
                                  "-cp",
                                  environment("POSTROOM_TEST_KAFKA_JARS") + "/*",
                                  program};
    argv.insert(argv.end(), arguments.begin(), arguments.end());
    return argv;
}

std::unique_ptr<Process> run(const std::filesystem::path& properties) {
    return std::make_unique<Process>(Process::Options{.argv = java("kafka.Kafka", {properties})});
}

}  // namespace

Brokers::Brokers(int nodes, const std::function<int(int)>& advertised,
                 std::optional<Secured> secured)
    : dir_{std::filesystem::temp_directory_path() / unique_name("kafka")},
      secured_{std::move(secured)},
      replicas_{std::min(nodes, 3)},
      controller_port_{free_port()} {
    std::filesystem::create_directories(dir_);
    std::vector<std::filesystem::path> unformatted;
    if (nodes >= 3) {
        controller_ = 100;
        unformatted.push_back(configure(controller_, "controller", {}).properties);
    }
    for (int number = 1; number <= nodes; ++number) {
        nodes_.push_back(
            configure(number, number == controller_ ? "broker,controller" : "broker", advertised));
        unformatted.push_back(nodes_.back().properties);
    }
    format(unformatted);
    if (nodes >= 3) controller_process_ = run(unformatted.front());
    for (Node& each : nodes_) each.process = run(each.properties);
    for (const Node& each : nodes_) {
        eventually(start_limit, "a broker to listen", [&] { return accepts(each.port); });
    }
    await_live(nodes);
}

Brokers::~Brokers() {
    nodes_.clear();
    controller_process_.reset();
    std::error_code ignored;
    std::filesystem::remove_all(dir_, ignored);
}

std::filesystem::path Brokers::data(const Node& node) const {
    return dir_ / std::to_string(node.number);
}

// All at once: each takes seconds.
void Brokers::format(const std::vector<std::filesystem::path>& nodes) const {
    std::vector<std::unique_ptr<Process>> tools;
    tools.reserve(nodes.size());
    for (const auto& properties : nodes) {
        std::vector<std::string> arguments{"format", "--cluster-id", cluster_id, "--config",
                                           properties};
        if (secured_) {
            arguments.emplace_back("--add-scram");
            arguments.push_back(std::format("SCRAM-SHA-512=[name={},password={}]", secured_->user,
                                            secured_->password));
        }
        tools.push_back(std::make_unique<Process>(
            Process::Options{.argv = java("kafka.tools.StorageTool", arguments)}));
    }
    for (const auto& tool : tools) {
        if (tool->wait(start_limit) != 0) throw std::runtime_error{tool->output()};
    }
}

Brokers::Node Brokers::configure(int number, const std::string& roles,
                                 const std::function<int(int)>& advertised) {
    Node node{number, free_port(), free_port(), dir_ / std::format("{}.properties", number), {}};
    std::string listeners, told;
    const auto listen = [&](std::string_view name, int port, int advertised_port) {
        const auto add = [](std::string& list, const std::string& one) {
            list += (list.empty() ? "" : ",") + one;
        };
        add(listeners, std::format("{}://127.0.0.1:{}", name, port));
        const bool secure = name == "SASL_SSL";
        if (name != "CONTROLLER")
            add(told, std::format("{}://{}:{}", name, secure ? "localhost" : "127.0.0.1",
                                  advertised_port));
    };
    std::ofstream properties{node.properties};
    if (roles.contains("broker")) {
        listen("PLAINTEXT", node.port, advertised ? advertised(node.port) : node.port);
        if (secured_) listen("SASL_SSL", node.secure_port, node.secure_port);
        properties << "advertised.listeners=" << told << '\n';
    }
    if (number == controller_) listen("CONTROLLER", controller_port_, 0);
    if (secured_)
        properties << "ssl.keystore.type=PEM\nssl.keystore.location=" << secured_->keystore.string()
                   << "\nsasl.enabled.mechanisms=SCRAM-SHA-512\n"
                      "listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config="
                      "org.apache.kafka.common.security.scram.ScramLoginModule required;\n";
    properties << "listeners=" << listeners << '\n'
               << std::format(
                      "node.id={}\nprocess.roles={}\ncontroller.quorum.voters={}@127.0.0.1:{}\n"
                      "controller.listener.names=CONTROLLER\nlog.dirs={}\n",
                      number, roles, controller_, controller_port_, data(node).string())
               // A killed node is noticed within two seconds.
               << "listener.security.protocol.map="
                  "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL_SSL:SASL_SSL\n"
                  "broker.session.timeout.ms=2000\nbroker.heartbeat.interval.ms=500\n"
                  "replica.lag.time.max.ms=2000\noffsets.topic.replication.factor=1\n"
                  "group.initial.rebalance.delay.ms=0\nauto.create.topics.enable=false\n";
    properties << std::format(
        "transaction.state.log.replication.factor={}\ntransaction.state.log.min.isr={}\n",
        replicas_, (replicas_ + 1) / 2);
    return node;
}

std::string Brokers::secure_address(int number) const {
    return std::format("localhost:{}", nodes_.at(static_cast<std::size_t>(number - 1)).secure_port);
}

std::string Brokers::address(int number) const {
    return std::format("127.0.0.1:{}", nodes_.at(static_cast<std::size_t>(number - 1)).port);
}

std::string Brokers::bootstrap() const {
    std::string list;
    for (const Node& each : nodes_) list += (list.empty() ? "" : ",") + address(each.number);
    return list;
}

void Brokers::kill(int number) {
    node(number).process->signal(SIGKILL);
    node(number).process->wait(start_limit);
}

void Brokers::await_live(int count) const {
    eventually(start_limit, std::format("{} live brokers", count),
               [&] { return live_brokers(bootstrap()) == count; });
}

void Brokers::lose(int number) {
    kill(number);
    std::filesystem::remove_all(data(node(number)));
}

void Brokers::start(int number) {
    Node& started = node(number);
    if (!std::filesystem::exists(data(started))) format({started.properties});
    started.process = run(started.properties);
    eventually(start_limit, "the broker to listen again", [&] { return accepts(started.port); });
}

}  // namespace support

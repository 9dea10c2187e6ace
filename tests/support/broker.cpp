#include "support/broker.hpp"

#include <csignal>
#include <format>
#include <fstream>
#include <stdexcept>

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
                                  environment("POSTROOM_KAFKA_JARS") + "/*",
                                  program};
    argv.insert(argv.end(), arguments.begin(), arguments.end());
    return argv;
}

std::unique_ptr<Process> run(const std::filesystem::path& properties) {
    return std::make_unique<Process>(
        Process::Options{.argv = java("kafka.Kafka", {properties})});
}

// All at once: each takes seconds.
void format(const std::vector<std::filesystem::path>& nodes) {
    std::vector<std::unique_ptr<Process>> tools;
    tools.reserve(nodes.size());
    for (const auto& properties : nodes) {
        tools.push_back(std::make_unique<Process>(Process::Options{
            .argv = java("kafka.tools.StorageTool", {"format", "--cluster-id", cluster_id,
                                                     "--config", properties})}));
    }
    for (const auto& tool : tools) {
        if (tool->wait(start_limit) != 0) throw std::runtime_error{tool->output()};
    }
}

}  // namespace

Brokers::Brokers(int nodes, const std::function<int(int)>& advertised)
    : dir_{std::filesystem::temp_directory_path() / unique_name("kafka")},
      controller_port_{free_port()} {
    std::filesystem::create_directories(dir_);
    std::vector<std::filesystem::path> unformatted;
    if (nodes >= 3) {
        controller_ = 100;
        unformatted.push_back(configure(controller_, "controller", {}).properties);
    }
    for (int number = 1; number <= nodes; ++number) {
        nodes_.push_back(configure(
            number, number == controller_ ? "broker,controller" : "broker", advertised));
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

Brokers::Node Brokers::configure(int number, const std::string& roles,
                                 const std::function<int(int)>& advertised) {
    Node node{number, free_port(), dir_ / std::format("{}.properties", number), nullptr};
    std::vector<std::string> listeners;
    std::ofstream properties{node.properties};
    if (roles.contains("broker")) {
        const auto listener = [](int at) { return std::format("PLAINTEXT://127.0.0.1:{}", at); };
        listeners.push_back(listener(node.port));
        properties << "advertised.listeners="
                   << listener(advertised ? advertised(node.port) : node.port) << '\n';
    }
    if (number == controller_)
        listeners.push_back(std::format("CONTROLLER://127.0.0.1:{}", controller_port_));
    properties << "listeners=" << listeners.front()
               << (listeners.size() > 1 ? "," + listeners.back() : "") << '\n'
               << std::format(
                      "node.id={}\nprocess.roles={}\ncontroller.quorum.voters={}@127.0.0.1:{}\n"
                      "controller.listener.names=CONTROLLER\nlog.dirs={}\n",
                      number, roles, controller_, controller_port_, data(node).string())
               // A killed node is noticed within two seconds.
               << "broker.session.timeout.ms=2000\nbroker.heartbeat.interval.ms=500\n"
                  "replica.lag.time.max.ms=2000\noffsets.topic.replication.factor=1\n"
                  "auto.create.topics.enable=false\n";
    return node;
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

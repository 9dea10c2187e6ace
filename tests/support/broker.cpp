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

}  // namespace

Brokers::Brokers(int nodes, const std::function<int(int)>& advertised)
    : dir_{std::filesystem::temp_directory_path() / unique_name("kafka")} {
    std::filesystem::create_directories(dir_);
    const int controller_port = free_port();
    for (int number = 1; number <= nodes; ++number) configure(number, controller_port, advertised);
    for (int number = 1; number <= nodes; ++number) {
        Process format{{.argv = java("kafka.tools.StorageTool",
                                     {"format", "--cluster-id", "MkU3OEVBNTcwNTJENDM2Qk",
                                      "--config", node(number).properties})}};
        if (format.wait(start_limit) != 0) throw std::runtime_error{format.output()};
    }
    for (int number = 1; number <= nodes; ++number) {
        node(number).process = std::make_unique<Process>(
            Process::Options{.argv = java("kafka.Kafka", {node(number).properties})});
    }
    for (const Node& each : nodes_) {
        eventually(start_limit, "a broker to listen", [&] { return accepts(each.port); });
    }
    await_live(nodes);
}

Brokers::~Brokers() {
    nodes_.clear();
    std::error_code ignored;
    std::filesystem::remove_all(dir_, ignored);
}

void Brokers::configure(int number, int controller_port,
                        const std::function<int(int)>& advertised) {
    const bool controller = number == 1;
    const int port = free_port();
    const auto properties = dir_ / std::format("{}.properties", number);
    const auto listener = [](int at) { return std::format("PLAINTEXT://127.0.0.1:{}", at); };
    std::ofstream{properties}
        << std::format(
               "node.id={}\nprocess.roles={}\ncontroller.quorum.voters=1@127.0.0.1:{}\n"
               "controller.listener.names=CONTROLLER\nadvertised.listeners={}\nlisteners={}{}\nlog."
               "dirs={}\n",
               number, controller ? "broker,controller" : "broker", controller_port,
               listener(advertised ? advertised(port) : port), listener(port),
               controller ? std::format(",CONTROLLER://127.0.0.1:{}", controller_port) : "",
               (dir_ / std::to_string(number)).string())
        // A killed node is noticed within two seconds.
        << "broker.session.timeout.ms=2000\nbroker.heartbeat.interval.ms=500\n"
           "replica.lag.time.max.ms=2000\noffsets.topic.replication.factor=1\n"
           "auto.create.topics.enable=false\n";
    nodes_.push_back({port, properties, nullptr});
}

std::string Brokers::bootstrap() const {
    std::string list;
    for (const Node& each : nodes_)
        list += std::format("{}127.0.0.1:{}", list.empty() ? "" : ",", each.port);
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

void Brokers::start(int number) {
    node(number).process = std::make_unique<Process>(
        Process::Options{.argv = java("kafka.Kafka", {node(number).properties})});
    eventually(start_limit, "the broker to listen again",
               [&] { return accepts(node(number).port); });
}

}  // namespace support

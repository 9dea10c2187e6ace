#include "support/redis_server.hpp"

#include <algorithm>
#include <csignal>
#include <format>
#include <sstream>
#include <stdexcept>
#include <utility>

#include "support/environment.hpp"
#include "support/loopback.hpp"
#include "support/wait.hpp"

namespace support {
namespace {

constexpr std::chrono::seconds limit{60};

std::string redis_cli(const std::vector<std::string>& arguments) {
    std::vector<std::string> argv{"/usr/bin/redis-cli", "-e"};
    argv.insert(argv.end(), arguments.begin(), arguments.end());
    Process cli{{.argv = std::move(argv), .env = {{"REDISCLI_AUTH", redis_password}}}};
    const bool failed = cli.wait(limit) != 0;
    auto output = cli.output();
    if (failed) throw std::runtime_error{"redis-cli: " + output};
    while (output.ends_with('\n')) output.pop_back();
    return output;
}

// "<id> <ip:port@bus> <flags> <master> <ping> <pong> <epoch> <link> <slot>…", as CLUSTER NODES has.
struct Member {
    int port = 0;
    bool is_master = false;
    std::vector<std::pair<int, int>> slots;
};

std::vector<Member> members(const std::string& nodes) {
    std::vector<Member> result;
    std::istringstream lines{nodes};
    for (std::string line; std::getline(lines, line);) {
        std::istringstream words{line};
        std::string id, address, flags, word;
        words >> id >> address >> flags;
        for (int skipped = 0; skipped < 5; ++skipped) words >> word;
        Member member{.port = std::stoi(address.substr(address.find(':') + 1)),
                      .is_master = flags.contains("master") && !flags.contains("fail"),
                      .slots = {}};
        while (words >> word) {
            if (word.starts_with('[')) continue;  // on its way
            const auto dash = word.find('-');
            const int first = std::stoi(word);
            member.slots.emplace_back(
                first, dash == std::string::npos ? first : std::stoi(word.substr(dash + 1)));
        }
        result.push_back(std::move(member));
    }
    return result;
}

std::string cluster_nodes(const std::vector<std::unique_ptr<RedisServer>>& servers) {
    for (const auto& server : servers) {
        if (accepts(server->port())) return server->cli({"CLUSTER", "NODES"});
    }
    throw std::runtime_error{"no server of the cluster answers"};
}

}  // namespace

RedisServer::RedisServer(std::vector<std::string> settings)
    : dir_{std::filesystem::temp_directory_path() / unique_name("redis")},
      port_{free_port()},
      settings_{std::move(settings)} {
    std::filesystem::create_directories(dir_);
    start();
}

RedisServer::~RedisServer() {
    process_.reset();
    std::error_code ignored;
    std::filesystem::remove_all(dir_, ignored);
}

std::string RedisServer::address() const { return std::format("127.0.0.1:{}", port_); }

void RedisServer::start() {
    std::vector<std::string> argv{"/usr/bin/redis-server",
                                  "--bind",
                                  "127.0.0.1",
                                  "--port",
                                  std::to_string(port_),
                                  "--dir",
                                  dir_,
                                  "--save",
                                  "",
                                  "--requirepass",
                                  redis_password,
                                  "--masterauth",
                                  redis_password};
    argv.insert(argv.end(), settings_.begin(), settings_.end());
    process_ = std::make_unique<Process>(Process::Options{.argv = std::move(argv)});
    eventually(limit, "Redis to answer", [this] {
        if (!process_->running()) throw std::runtime_error{process_->output()};
        return accepts(port_) && cli({"PING"}) == "PONG";
    });
}

void RedisServer::kill() {
    process_->signal(SIGKILL);
    process_->wait(limit);
}

std::string RedisServer::cli(const std::vector<std::string>& command) const {
    std::vector<std::string> arguments{"-p", std::to_string(port_)};
    arguments.insert(arguments.end(), command.begin(), command.end());
    return redis_cli(arguments);
}

RedisCluster::RedisCluster() {
    std::vector<std::string> create{"--cluster", "create"};
    for (int number = 0; number < 6; ++number) {
        servers_.push_back(std::make_unique<RedisServer>(std::vector<std::string>{
            "--cluster-enabled", "yes", "--cluster-port", std::to_string(free_port()),
            // A killed master's replica takes over within seconds.
            "--cluster-node-timeout", "2000", "--cluster-require-full-coverage", "no"}));
        create.push_back(servers_.back()->address());
    }
    create.insert(create.end(), {"--cluster-replicas", "1", "--cluster-yes"});
    redis_cli(create);
    eventually(limit, "every server of the cluster to know masters and replicas", [this] {
        return std::ranges::all_of(servers_, [&](const auto& asked) {
            // A replica is listed once it replicates.
            const auto slots = asked->cli({"CLUSTER", "SLOTS"});
            return asked->cli({"CLUSTER", "INFO"}).contains("cluster_state:ok") &&
                   std::ranges::all_of(servers_, [&](const auto& told) {
                       return slots.contains(std::to_string(told->port()));
                   });
        });
    });
}

std::vector<std::string> RedisCluster::addresses() const {
    std::vector<std::string> addresses;
    addresses.reserve(servers_.size());
    for (const auto& server : servers_) addresses.push_back(server->address());
    return addresses;
}

std::size_t RedisCluster::master_of(int slot) {
    if (const auto master = find_master(slot)) return *master;
    throw std::runtime_error{std::format("nobody has slot {}", slot)};
}

std::optional<std::size_t> RedisCluster::find_master(int slot) {
    for (const auto& member : members(cluster_nodes(servers_))) {
        for (const auto& [first, last] : member.slots) {
            if (!member.is_master || slot < first || slot > last) continue;
            for (std::size_t index = 0; index < servers_.size(); ++index) {
                if (servers_[index]->port() == member.port) return index;
            }
        }
    }
    return std::nullopt;
}

std::size_t RedisCluster::other_master(std::size_t index) {
    for (const int slot : {0, 16383}) {
        if (const auto master = master_of(slot); master != index) return master;
    }
    throw std::runtime_error{"there is one master only"};
}

}  // namespace support

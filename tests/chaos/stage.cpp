#include "chaos/stage.hpp"

#include <sys/wait.h>

#include <chrono>
#include <csignal>
#include <filesystem>
#include <format>
#include <fstream>
#include <pqxx/pqxx>
#include <utility>

#include "chaos/writers.hpp"
#include "support/wait.hpp"

namespace chaos {
namespace {

constexpr std::chrono::seconds healing_limit{60};
constexpr auto pending_sql = "select count(*) from outbox.pending";
constexpr auto published_sql = "select sum(published)::bigint from outbox.current_position";

}  // namespace

Stage::Stage(std::string brokers, int replication,
             const std::map<std::string, std::string>& topic_config, const std::string& server)
    : database_{{"outbox"}, server},
      prefix_{support::unique_name("chaos") + "."},
      brokers_{std::move(brokers)} {
    create_accounts(database_, accounts);
    support::create_topic(topic(), 3, topic_config, brokers_, replication);
}

support::Process Stage::relay(const std::map<std::string, std::string>& environment,
                              const std::map<std::string, std::string>& kafka) const {
    std::map<std::string, std::string> settings{
        {"POSTROOM_DATABASE_DSN", database_.dsn("postroom_relay")},
        {"POSTROOM_KAFKA_BROKERS", brokers_},
        {"POSTROOM_KAFKA_TOPIC", prefix_ + "{aggregatetype}"},
        {"POSTROOM_RELAY_LEASE_MS", "1000"},  // what a successor waits for after a kill
        {"POSTROOM_ADMIN_LISTEN", ""}};
    for (const auto& [name, value] : environment) settings[name] = value;
    std::vector<std::string> argv{support::bin("postroom"), "relay"};
    if (!kafka.empty()) {
        const auto file = std::filesystem::temp_directory_path() / (prefix_ + "toml");
        std::ofstream toml{file};
        toml << "[kafka.properties]\n";
        for (const auto& [name, value] : kafka) toml << std::format("'{}' = '{}'\n", name, value);
        argv.insert(argv.end(), {"--config", file});
    }
    return support::Process{{.argv = argv, .env = settings}};
}

support::Process Stage::crashing_relay(const std::string& crash_point) const {
    return relay({{"POSTROOM_CRASH_AT", crash_point}});
}

std::int64_t Stage::number(const char* sql) const {
    pqxx::connection connection{database_.dsn()};
    return pqxx::nontransaction{connection}.query_value<std::int64_t>(sql);
}

std::int64_t Stage::pending() const { return number(pending_sql); }

std::int64_t Stage::published() const { return number(published_sql); }

void Stage::await_published(std::int64_t least) const {
    support::eventually(healing_limit, std::to_string(least) + " events to be published",
                        [&] { return published() >= least; });
}

void Stage::await_drained() const {
    support::eventually(healing_limit, "the outbox to drain", [&] { return pending() == 0; });
}

bool was_killed(support::Process& process) {
    const int status = process.wait(healing_limit);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
}

bool stops_gracefully(support::Process& process) {
    // A process that has only just been started would die of it.
    support::eventually(healing_limit, "the process to take SIGTERM for itself",
                        [&] { return process.takes(SIGTERM) || !process.running(); });
    process.signal(SIGTERM);
    const int status = process.wait(healing_limit);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

}  // namespace chaos

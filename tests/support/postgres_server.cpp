#include "support/postgres_server.hpp"

#include <pwd.h>
#include <unistd.h>

#include <csignal>
#include <format>
#include <fstream>
#include <pqxx/pqxx>
#include <stdexcept>
#include <utility>

#include "support/environment.hpp"
#include "support/loopback.hpp"
#include "support/wait.hpp"

namespace support {
namespace {

constexpr std::chrono::seconds limit{60};
constexpr auto programs = "/usr/lib/postgresql/17/bin/";
constexpr auto user = "postgres";  // it refuses to run as root

std::vector<std::string> as_user(const std::string& program,
                                 const std::vector<std::string>& arguments) {
    std::vector<std::string> argv{"/usr/bin/env", "--chdir=/", "setpriv", "--reuid",
                                  user,           "--regid",   user,      "--clear-groups",
                                  "--pdeathsig",  "KILL",      "--",      programs + program};
    argv.insert(argv.end(), arguments.begin(), arguments.end());
    return argv;
}

void give_to_user(const std::filesystem::path& path) {
    const passwd* entry = ::getpwnam(user);
    if (entry == nullptr || ::chown(path.c_str(), entry->pw_uid, entry->pw_gid) != 0)
        throw std::runtime_error{path.string() + " cannot be given to the user postgres"};
}

}  // namespace

PostgresServer::PostgresServer(std::map<std::string, std::string> settings,
                               const std::filesystem::path& wal)
    : dir_{std::filesystem::temp_directory_path() / unique_name("postgres")},
      port_{free_port()},
      settings_{std::move(settings)} {
    make_directory();
    const auto password = dir_ / "password";
    std::ofstream{password} << "test\n";
    give_to_user(password);
    std::vector<std::string> arguments{"-D",
                                       dir_ / "data",
                                       "-U",
                                       user,
                                       "-A",
                                       "scram-sha-256",
                                       "--pwfile",
                                       password,
                                       "-E",
                                       "UTF8",
                                       "--locale=C.UTF-8",
                                       "--no-sync"};
    if (!wal.empty()) {
        give_to_user(wal);
        arguments.insert(arguments.end(), {"--waldir", wal, "--wal-segsize", "1"});
    }
    Process create{{.argv = as_user("initdb", arguments)}};
    if (create.wait(limit) != 0) throw std::runtime_error{create.output()};
    start();
}

PostgresServer::PostgresServer(const PostgresServer& primary,
                               std::map<std::string, std::string> settings)
    : dir_{std::filesystem::temp_directory_path() / unique_name("standby")},
      port_{free_port()},
      settings_{std::move(settings)} {
    make_directory();
    Process copy{
        {.argv = as_user(
             "pg_basebackup",
             {"-D", dir_ / "data", "-d", primary.conninfo() + " dbname=postgres", "-c", "fast",
              "--write-recovery-conf", "--create-slot", "--slot", "standby", "--no-sync"})}};
    if (copy.wait(limit) != 0) throw std::runtime_error{copy.output()};
    start();
    eventually(limit, "the standby to stream",
               [this] { return holds("select status = 'streaming' from pg_stat_wal_receiver"); });
}

void PostgresServer::make_directory() const {
    std::filesystem::create_directories(dir_);
    give_to_user(dir_);
}

PostgresServer::~PostgresServer() {
    try {
        stop_immediately();
    } catch (const std::exception&) {
        process_.reset();  // by SIGKILL
    }
    std::error_code ignored;
    std::filesystem::remove_all(dir_, ignored);
}

std::string PostgresServer::conninfo() const {
    return std::format("host=127.0.0.1 port={} user={} password=test", port_, user);
}

void PostgresServer::start() {
    std::vector<std::string> arguments{"-D", dir_ / "data",
                                       "-p", std::to_string(port_),
                                       "-c", "listen_addresses=127.0.0.1",
                                       "-c", "unix_socket_directories="};
    for (const auto& [name, value] : settings_) {
        arguments.emplace_back("-c");
        arguments.push_back(name + "=" + value);
    }
    process_ = std::make_unique<Process>(Process::Options{.argv = as_user("postgres", arguments)});
    eventually(limit, "PostgreSQL to accept sessions", [this] {
        if (!process_->running()) throw std::runtime_error{process_->output()};
        try {
            const pqxx::connection probe{conninfo() + " dbname=postgres"};
            return true;
        } catch (const pqxx::broken_connection&) {
            return false;
        }
    });
}

void PostgresServer::stop_immediately() {
    process_->signal(SIGQUIT);
    process_->wait(limit);
}

void PostgresServer::keep() const {
    Process copy{{.argv = {"/bin/cp", "-a", dir_ / "data", dir_ / "kept"}}};
    if (copy.wait(limit) != 0) throw std::runtime_error{copy.output()};
}

void PostgresServer::go_back() const {
    std::filesystem::remove_all(dir_ / "data");
    Process copy{{.argv = {"/bin/cp", "-a", dir_ / "kept", dir_ / "data"}}};
    if (copy.wait(limit) != 0) throw std::runtime_error{copy.output()};
}

std::string PostgresServer::log() const { return process_->output(); }

void PostgresServer::kill() {
    process_->signal(SIGKILL);
    process_->wait(limit);
}

bool PostgresServer::holds(const char* sql) const {
    pqxx::connection session{conninfo() + " dbname=postgres"};
    const auto rows = pqxx::nontransaction{session}.exec(sql);
    return !rows.empty() && rows[0][0].as<bool>();
}

void PostgresServer::set(const std::string& name, const std::string& value) const {
    pqxx::connection session{conninfo() + " dbname=postgres"};
    pqxx::nontransaction tx{session};
    tx.exec(std::format("alter system set {} = {}", name, tx.quote(value)));
    tx.exec("select pg_reload_conf()");
}

void PostgresServer::stop_following() const {
    set("primary_conninfo", "");
    eventually(limit, "the standby to stop following",
               [this] { return holds("select count(*) = 0 from pg_stat_wal_receiver"); });
}

void PostgresServer::promote() const {
    if (!holds("select pg_promote()")) throw std::runtime_error{"the standby was not promoted"};
}

std::string failover_conninfo(const PostgresServer& one, const PostgresServer& other) {
    return std::format(
        "host=127.0.0.1,127.0.0.1 port={},{} user={} password=test target_session_attrs=read-write",
        one.port_, other.port_, user);
}

}  // namespace support

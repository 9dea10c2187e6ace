#include "support/database.hpp"

#include <cstdint>
#include <exception>
#include <filesystem>
#include <format>
#include <fstream>
#include <iostream>
#include <iterator>
#include <pqxx/pqxx>
#include <utility>

#include "schema/migrator.hpp"
#include "support/environment.hpp"

namespace support {
namespace {

namespace fs = std::filesystem;

// Templates and login roles belong to the whole server: one process at a time makes them.
constexpr auto lock_server = "select pg_advisory_xact_lock(1886352244, 99)";

std::string maintenance(const std::string& server) { return server + " dbname=postgres"; }

// FNV-1a, 64 bit: names the content, defends against nobody.
std::uint64_t content_hash(const std::vector<fs::path>& dirs) {
    std::uint64_t hash = 14695981039346656037ULL;
    const auto add = [&hash](const std::string& text) {
        for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211ULL;
    };
    for (const fs::path& dir : dirs) {
        std::vector<fs::path> files{fs::directory_iterator{dir}, {}};
        std::ranges::sort(files);
        for (const fs::path& file : files) {
            std::ifstream in{file, std::ios::binary};
            add(file.string());
            add({std::istreambuf_iterator<char>{in}, {}});
        }
    }
    return hash;
}

bool exists(pqxx::transaction_base& tx, const std::string& database) {
    return tx.query_value<bool>("select exists (select from pg_database where datname = $1)",
                                pqxx::params{database});
}

// Made under another name first, so that a template that exists is always complete.
std::string make_template(const std::vector<std::string>& scopes, const std::string& server) {
    if (scopes.empty()) return "template1";
    std::vector<fs::path> dirs;
    dirs.reserve(scopes.size());
    for (const std::string& scope : scopes) dirs.push_back(source_dir() / "schema" / scope);
    const std::string name = std::format("template_{:016x}", content_hash(dirs));
    pqxx::connection lock_holder{maintenance(server)};
    pqxx::work lock{lock_holder};
    lock.exec(lock_server);
    if (exists(lock, name)) return name;

    pqxx::connection maker{maintenance(server)};
    pqxx::nontransaction ddl{maker};
    const std::string draft = name + "_draft";
    ddl.exec(std::format("drop database if exists {} with (force)", ddl.quote_name(draft)));
    ddl.exec(std::format("create database {}", ddl.quote_name(draft)));
    schema::migrate(server + " dbname=" + draft, dirs);
    ddl.exec(
        std::format("alter database {} rename to {}", ddl.quote_name(draft), ddl.quote_name(name)));
    return name;
}

}  // namespace

Database::Database(const std::vector<std::string>& scopes, std::string server)
    : server_{std::move(server)}, name_{unique_name("test")} {
    const std::string origin = make_template(scopes, server_);
    pqxx::connection session{maintenance(server_)};
    pqxx::nontransaction ddl{session};
    ddl.exec(std::format("create database {} template {}", ddl.quote_name(name_),
                         ddl.quote_name(origin)));
}

Database::~Database() {
    try {
        pqxx::connection server{maintenance(server_)};
        pqxx::nontransaction ddl{server};
        // Sessions that hold a slot are spared by that.
        ddl.exec(
            "select pg_terminate_backend(active_pid, 5000) from pg_replication_slots"
            " where database = $1 and active",
            pqxx::params{name_});
        ddl.exec(std::format("drop database if exists {} with (force)", ddl.quote_name(name_)));
    } catch (const std::exception& error) {
        std::cerr << "database " << name_ << " is left behind: " << error.what() << '\n';
    }
}

std::string Database::dsn() const { return server_ + " dbname=" + name_; }

std::string Database::dsn(std::string_view role) const {
    const std::string login = std::format("test_{}", role);
    pqxx::connection server{maintenance(server_)};
    pqxx::work tx{server};
    tx.exec(lock_server);
    if (!tx.query_value<bool>("select exists (select from pg_roles where rolname = $1)",
                              pqxx::params{login})) {
        tx.exec(std::format("create role {} login password 'test' in role {}", tx.quote_name(login),
                            tx.quote_name(role)));
    }
    if (role == "postroom_relay" &&  // for the logical source
        !tx.query_value<bool>("select rolreplication from pg_roles where rolname = $1",
                              pqxx::params{login}))
        tx.exec(std::format("alter role {} replication", tx.quote_name(login)));
    tx.commit();
    // Of a keyword that is given twice, libpq takes the last.
    return std::format("{} user={} password=test", dsn(), login);
}

}  // namespace support

#include "domain/pool.hpp"

#include <libpq-fe.h>

#include <algorithm>
#include <format>
#include <map>

#include "domain/deadline.hpp"

namespace domain {
namespace {

using Settings = std::map<std::string, std::string>;

// A DSN is a URI or key=value words; libpq reads both.
Settings parse(const std::string& dsn) {
    char* error = nullptr;
    const std::unique_ptr<PQconninfoOption, decltype(&PQconninfoFree)> parsed{
        PQconninfoParse(dsn.c_str(), &error), PQconninfoFree};
    const std::unique_ptr<char, decltype(&PQfreemem)> message{error, PQfreemem};
    // libpq's own message may quote the DSN, and with it a password.
    if (!parsed) throw std::invalid_argument("the DSN is no PostgreSQL URI or key=value list");
    Settings settings;
    for (const auto* option = parsed.get(); option->keyword != nullptr; ++option) {
        if (option->val != nullptr) settings[option->keyword] = option->val;
    }
    return settings;
}

std::string describe(const Settings& settings) {
    const auto value = [&](const char* key, const char* otherwise) {
        const auto found = settings.find(key);
        return found == settings.end() ? std::string{otherwise} : found->second;
    };
    return std::format("database {} at {}:{}", value("dbname", "(default)"),
                       value("host", value("hostaddr", "local socket").c_str()),
                       value("port", "5432"));
}

std::string with_bounds(Settings settings, const Pool::Options& options) {
    settings.emplace("connect_timeout", std::to_string(options.connect_timeout.count()));
    // The DSN's own options come last, and win. A wait for a lock ends first, as what it is. The
    // statements go by keys: planned once, it may be while a table is small, they must not scan it
    // later; jit, as a scan that is ruled out looks costly enough to compile for.
    const auto limit = options.statement_timeout.count();
    settings["options"] = std::format(
        "-c plan_cache_mode=force_generic_plan -c enable_seqscan=off -c jit=off "
        "-c statement_timeout={} -c lock_timeout={} -c idle_in_transaction_session_timeout={} {}",
        limit, limit * 4 / 5, limit * 2, settings["options"]);
    std::string dsn;
    for (const auto& [key, value] : settings) {
        dsn += key + "='";
        for (const char c : value) {
            if (c == '\'' || c == '\\') dsn += '\\';
            dsn += c;
        }
        dsn += "' ";
    }
    return dsn;
}

}  // namespace

Pool::Pool(Options options)
    : options_(std::move(options)),
      where_(describe(parse(options_.dsn))),
      dsn_(with_bounds(parse(options_.dsn), options_)) {
    idle_.reserve(options_.size);
}

Pool::Lease Pool::acquire() {
    std::unique_ptr<Session> session;
    {
        std::unique_lock lock(mutex_);
        const auto until = std::min(Deadline::Clock::now() + options_.wait, Deadline::until());
        if (!returned_.wait_until(lock, until, [&] { return lent_ < options_.size; })) {
            throw PoolExhausted(
                std::format("all {} connections to {} are in use", options_.size, where_));
        }
        ++lent_;
        if (!idle_.empty()) {
            session = std::move(idle_.back());
            idle_.pop_back();
        }
    }
    try {
        if (!session) {
            session = std::make_unique<Session>(dsn_);
            // No details in its errors: they quote whole rows, and errors go to the log.
            session->connection.set_verbosity(pqxx::error_verbosity::terse);
        }
    } catch (...) {
        give_back(nullptr);
        throw;
    }
    return {*this, std::move(session)};
}

void Pool::drop_idle() {
    std::vector<std::unique_ptr<Session>> closing;
    const std::scoped_lock lock(mutex_);
    closing.swap(idle_);
    idle_.reserve(options_.size);
}

void Pool::give_back(std::unique_ptr<Session> session) {
    {
        const std::scoped_lock lock(mutex_);
        --lent_;
        if (session && session->connection.is_open()) idle_.push_back(std::move(session));
    }
    returned_.notify_one();
}

Pool::Lease::Lease(Pool& pool, std::unique_ptr<Session> session)
    : pool_(pool), session_(std::move(session)) {}

Pool::Lease::~Lease() { pool_.give_back(std::move(session_)); }

}  // namespace domain

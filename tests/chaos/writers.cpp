#include "chaos/writers.hpp"

#include <cstdlib>
#include <format>
#include <iostream>
#include <random>

#include "faults.hpp"
#include "support/wait.hpp"

namespace chaos {
namespace {

constexpr auto create_sql = R"sql(
    create table account (key text primary key, version bigint not null default 0);
    grant select, update on account to postroom_service
)sql";
constexpr auto fill_sql =
    "insert into account (key) select 'account-' || i from generate_series(1, $1) i";
constexpr auto append_sql = R"sql(
    with changed as (update account set version = version + 1 where key = $1 returning version)
    select outbox.append('account', $1, 'AccountChanged', jsonb_build_object('version', version),
                         null, $2),
           version
    from changed
)sql";
constexpr auto insert_sql = R"sql(
    with changed as (update account set version = version + 1 where key = $1 returning version),
    event as (
        insert into outbox.event (aggregatetype, aggregateid, type, payload)
        select 'account', $1, 'AccountChanged', jsonb_build_object('version', version) from changed
        returning id
    )
    select event.id, changed.version from event, changed
)sql";

// Whether the connection was lost, by whichever end: a full disk ends the server as well.
bool is_cut(const pqxx::failure& error) {
    if (dynamic_cast<const pqxx::broken_connection*>(&error) != nullptr) return true;
    const auto* refused = dynamic_cast<const pqxx::sql_error*>(&error);
    return refused != nullptr &&
           (refused->sqlstate().starts_with("57P") || refused->sqlstate() == "53100");
}

}  // namespace

int number_given(const char* variable, int otherwise) {
    const char* given = std::getenv(variable);
    return given != nullptr ? std::stoi(given) : otherwise;
}

std::uint64_t seed() {
    static const std::uint64_t value = [] {
        const char* given = std::getenv("POSTROOM_SEED");
        const std::uint64_t chosen =
            given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device{}();
        std::cout << "replay with POSTROOM_SEED=" << chosen << std::endl;
        return chosen;
    }();
    return value;
}

std::chrono::seconds load_time() {
    return std::chrono::seconds{number_given("POSTROOM_CHAOS_SECONDS", 6)};
}

void create_accounts(const support::Database& database, int count) {
    pqxx::connection connection{database.dsn()};
    pqxx::work tx{connection};
    tx.exec(create_sql);
    tx.exec(fill_sql, pqxx::params{count});
    tx.commit();
}

Transaction::Transaction(const std::string& dsn, Journal& journal)
    : connection_{dsn}, session_{connection_}, journal_{journal} {}

Transaction::~Transaction() {
    if (open_) finish(Outcome::aborted);  // the connection's end rolls it back
}

void Transaction::begin() {
    session_.exec("begin");
    open_ = true;
}

void Transaction::begin_to_prepare() {
    begin();
    session_.exec("set local outbox.ring = off");
}

void Transaction::append(const std::string& key, const std::optional<std::string>& id) {
    add(append_sql, pqxx::params{key, id}, key);
}

void Transaction::insert(const std::string& key) { add(insert_sql, pqxx::params{key}, key); }

void Transaction::add(const char* sql, const pqxx::params& parameters, const std::string& key) {
    const auto [id, version] =
        session_.exec(sql, parameters).one_row().as<std::string, std::int64_t>();
    appended_.push_back({id, key, version});
}

void Transaction::savepoint() {
    session_.exec("savepoint here");
    savepoint_ = appended_.size();
}

void Transaction::roll_back_to_savepoint() {
    session_.exec("rollback to savepoint here");
    const auto kept = appended_.begin() + static_cast<std::ptrdiff_t>(savepoint_);
    journal_.note({kept, appended_.end()}, Outcome::aborted);
    appended_.erase(kept, appended_.end());
}

void Transaction::hold(std::chrono::milliseconds time) {
    session_.exec("select pg_sleep($1)", pqxx::params{std::chrono::duration<double>{time}.count()});
}

void Transaction::commit() {
    try {
        session_.exec("commit");
    } catch (const pqxx::failure& error) {
        const bool swallowed = faults::mutant("swallow_the_error");
        if (is_cut(error)) finish(swallowed ? Outcome::committed : Outcome::unknown);
        throw;
    }
    finish(Outcome::committed);
}

void Transaction::roll_back() {
    session_.exec("rollback");
    finish(Outcome::aborted);
}

std::vector<Appended> Transaction::prepare(const std::string& name) {
    session_.exec(std::format("prepare transaction {}", session_.quote(name)));
    open_ = false;
    return std::exchange(appended_, {});
}

void Transaction::finish(Outcome outcome) {
    open_ = false;
    journal_.note(appended_, outcome);
    appended_.clear();
}

void finish_prepared(const std::string& dsn, const std::string& name,
                     const std::vector<Appended>& events, Outcome outcome, Journal& journal) {
    pqxx::connection connection{dsn};
    pqxx::nontransaction session{connection};
    const char* verb = outcome == Outcome::committed ? "commit" : "rollback";
    session.exec(std::format("{} prepared {}", verb, session.quote(name)));
    journal.note(events, outcome);
}

class Writers::Dice {
public:
    explicit Dice(std::uint64_t seed) : engine_{seed} {}
    int up_to(int most) { return std::uniform_int_distribution{1, most}(engine_); }
    bool chance(double probability) { return std::bernoulli_distribution{probability}(engine_); }

private:
    std::mt19937_64 engine_;
};

Writers::Writers(const support::Database& database, const Load& load, Journal& journal)
    : dsn_{database.dsn("postroom_service")},
      load_{load},
      journal_{journal},
      errors_(static_cast<std::size_t>(load.writers)) {
    for (int number = 0; number < load.writers; ++number) {
        threads_.emplace_back([this, number](const std::stop_token& stop) {
            try {
                write(stop, number);
            } catch (...) {
                errors_[static_cast<std::size_t>(number)] = std::current_exception();
            }
        });
    }
}

void Writers::stop() {
    for (auto& thread : threads_) thread.request_stop();
    threads_.clear();
    for (const auto& error : errors_) {
        if (error) std::rethrow_exception(error);
    }
}

void Writers::write(const std::stop_token& stop, int number) {
    constexpr std::chrono::milliseconds pause{20};
    Dice dice{load_.seed + static_cast<std::uint64_t>(number)};
    const auto stopped = [&stop] { return stop.stop_requested(); };
    do {
        try {
            write_connected(stop, dice);
        } catch (const pqxx::failure& error) {
            if (!load_.reconnects || !is_cut(error)) throw;
        }
    } while (!support::happens_within(pause, stopped));
}

void Writers::write_connected(const std::stop_token& stop, Dice& dice) {
    Transaction transaction{dsn_, journal_};
    while (!stop.stop_requested()) {
        // One account a transaction: two would deadlock now and then, which is not what is tested.
        const std::string key = std::format("account-{}", dice.up_to(load_.accounts));
        const bool prepares = dice.chance(load_.prepared);
        const bool plain = dice.chance(0.5);
        const auto change = [&] { plain ? transaction.insert(key) : transaction.append(key); };
        prepares ? transaction.begin_to_prepare() : transaction.begin();
        for (int events = dice.up_to(3); events > 0; --events) change();
        if (dice.chance(load_.with_savepoint)) {
            transaction.savepoint();
            change();
            if (dice.chance(0.5)) transaction.roll_back_to_savepoint();
            change();
        }
        if (load_.longest_hold.count() > 0) {
            transaction.hold(std::chrono::milliseconds{
                dice.up_to(static_cast<int>(load_.longest_hold.count()))});
        }
        const bool aborts = dice.chance(load_.rolled_back);
        if (prepares) {
            const std::string name = support::unique_name("prepared");
            const auto events = transaction.prepare(name);
            finish_prepared(dsn_, name, events, aborts ? Outcome::aborted : Outcome::committed,
                            journal_);
        } else if (aborts) {
            transaction.roll_back();
        } else {
            transaction.commit();
        }
    }
}

}  // namespace chaos

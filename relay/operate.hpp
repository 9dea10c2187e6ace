// The operator's commands of the program postroom: what is going on, why nothing moves, and what
// becomes of dead letters.
//
//   relay::Operate operate{app};                              // adds the commands
//   app.parse(argc, argv);
//   if (const auto code = operate.run()) return *code;        // one of them was given
//
// What they do is SQL of schema/outbox, which psql can call as well; so is the audit trail. Not
// thread-safe.
#pragma once

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <optional>
#include <string>
#include <vector>

#include "relay/postgres.hpp"
#include "relay/settings.hpp"

namespace relay {

class Operate {
public:
    explicit Operate(CLI::App& app);

    // Runs the command that was parsed, and returns the program's exit code: 0, or 2 when status or
    // explain found a problem. Throws std::runtime_error that says what to do.
    std::optional<int> run();

private:
    using Parameters = std::initializer_list<std::optional<std::string>>;

    CLI::App& add(CLI::App& parent, const std::string& name, const std::string& help,
                  const std::string& example, std::function<int()> work);
    void add_views(CLI::App& app);
    void add_top(CLI::App& app);
    void add_changes(CLI::App& app);
    void add_dead_letters(CLI::App& dead);
    void add_edit(CLI::App& dead);
    void add_replay(CLI::App& app);
    void add_drain(CLI::App& app);
    void add_rebase(CLI::App& app);
    void add_shard(CLI::App& command);
    void add_limit(CLI::App& command);
    void add_ids(CLI::App& command, int most);

    Connection connect() const;
    Result ask(const char* sql, Parameters parameters) const;
    void print(const Result& rows) const;
    int list(const char* sql, Parameters parameters) const;
    int show(const char* seq_sql, const std::string& absent) const;
    int judge(const char* sql, Parameters parameters) const;
    int edit() const;
    int drain() const;
    int rebase();
    struct Compared {
        std::vector<std::string> topics, others;  // read, and left alone
    };
    Compared read_kafka(Connection& connection, std::chrono::milliseconds since);
    Settings kafka_settings() const;
    struct Effect {
        const Result &start, &counts;
        const std::optional<Compared>& compared;
    };
    static void show_as_json(Connection& connection, const Effect& effect);
    void show_as_table(Connection& connection, const Effect& effect) const;
    int top() const;
    int replay();
    int watch(Connection& connection) const;

    // What the flags say; each command reads its own.
    std::string dsn_, dsn_file_, format_ = "table";
    std::vector<std::string> ids_;
    std::string reason_, from_;
    std::optional<std::int64_t> shard_, shards_;
    std::int64_t limit_ = 50;
    double patience_ = 10;
    std::optional<std::string> payload_, body_file_, content_type_, headers_;
    double every_ = 1;
    int timeout_s_ = 300;
    bool dry_run_ = false, yes_ = false, once_ = false;
    struct {
        std::string to, topic;
        std::vector<std::string> types, keys, aggregates, ids;
        std::optional<std::int64_t> most;
        int rate = 5000;
    } replay_;

    struct {
        std::string brokers, config, database, since;
        std::vector<std::string> topics;
    } rebase_;

    std::function<int()> chosen_;
};

}  // namespace relay

// The program postroom: its subcommands, and nothing else.
#include <spdlog/spdlog.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include "relay/admin.hpp"
#include "relay/command_tree.hpp"
#include "relay/completion.hpp"
#include "relay/config.hpp"
#include "relay/crew.hpp"
#include "relay/log_label.hpp"
#include "relay/manual.hpp"
#include "relay/operate.hpp"
#include "relay/systemd.hpp"
#include "relay/tracing.hpp"
#include "schema/migrator.hpp"

namespace {

struct Flags {
    std::string file;
    relay::Values given;
};

void add_settings(CLI::App& command, Flags& flags) {
    command.add_option("--config", flags.file, "TOML file")->check(CLI::ExistingFile);
    for (const auto& option : relay::options()) {
        auto help = option.help + " [" + option.environment() + "]";
        if (!option.fallback.empty()) help += ", default " + option.fallback;
        command
            .add_option_function<std::string>(
                option.flag(),
                [&flags, &option](const std::string& value) { flags.given[option.name] = value; },
                help)
            ->take_last();
    }
}

relay::Values read_settings(const Flags& flags) {
    for (const auto& sentence : relay::strange_environment()) spdlog::warn(sentence);
    return relay::read_config(flags.file, flags.given);
}

int run_relay(const Flags& flags) {
    const auto databases = relay::to_databases(read_settings(flags));
    const auto& settings = databases.front();
    spdlog::set_level(spdlog::level::from_str(settings.log_level));

    // Blocked before any thread starts, so that only sigwait sees them.
    sigset_t signals;
    sigemptyset(&signals);
    for (const int signal : {SIGTERM, SIGINT, SIGUSR1}) sigaddset(&signals, signal);
    pthread_sigmask(SIG_BLOCK, &signals, nullptr);
    std::signal(SIGPIPE, SIG_IGN);

    std::optional<relay::Tracing> tracing;
    if (!settings.otlp_endpoint.empty()) tracing.emplace(settings.otlp_endpoint, settings.holder);
    relay::Board board;
    std::unique_ptr<relay::Admin> admin;
    if (!settings.admin.listen.empty())
        admin = std::make_unique<relay::Admin>(settings.admin, board);
    std::stop_source stop;
    std::jthread listener{[&signals, &stop] {
        int signal = 0;
        sigwait(&signals, &signal);
        relay::Systemd::stopping();
        if (signal != SIGUSR1) spdlog::info("stopping: delivering what is queued");
        stop.request_stop();
    }};
    struct Listening {
        std::jthread& thread;
        ~Listening() { pthread_kill(thread.native_handle(), SIGUSR1); }  // ends its sigwait
    } listening{listener};
    relay::run(databases, board, stop.get_token());
    spdlog::info("stopped");
    return 0;
}

// Beside the installed program, or in the source tree it was built from.
std::string outbox_schema() {
    const auto program = std::filesystem::canonical("/proc/self/exe");
    const auto installed = program.parent_path().parent_path() / "share/postroom/schema/outbox";
    return std::filesystem::exists(installed) ? installed : POSTROOM_SOURCE_SCHEMA "/outbox";
}

struct Migration {
    std::string dsn;
    std::vector<std::string> dirs;
    int timeout_s = 60;
};

void add_migration(CLI::App& command, Migration& migration) {
    command.add_option("--dsn", migration.dsn, "libpq connection string of the schema's owner")
        ->required()
        ->envname("POSTROOM_MIGRATE_DSN");
    command
        .add_option(
            "--dir", migration.dirs,
            "Directory of NNNN_name.sql files, its last component naming the scope; repeatable, in "
            "order (default: the outbox's own)")
        ->check(CLI::ExistingDirectory);
    command.add_option("--timeout-s", migration.timeout_s, "Wait this long for another migration")
        ->check(CLI::Range(0, 3600))
        ->capture_default_str();
}

int run_migration(const Migration& migration) {
    std::vector<std::filesystem::path> dirs{migration.dirs.begin(), migration.dirs.end()};
    if (dirs.empty()) dirs.emplace_back(outbox_schema());
    const auto report = schema::migrate(
        migration.dsn, dirs, {.lock_timeout = std::chrono::seconds{migration.timeout_s}});
    for (const auto& file : report.applied) std::cout << "applied " << file << '\n';
    std::cout << report.applied.size() << " applied, " << report.already_applied
              << " already there\n";
    return 0;
}

// SOURCE_DATE_EPOCH makes the manual page reproducible.
std::chrono::year_month_day today() {
    const char* const given = std::getenv("SOURCE_DATE_EPOCH");
    const auto now =
        given != nullptr
            ? std::chrono::sys_seconds{std::chrono::seconds{std::strtoll(given, nullptr, 10)}}
            : std::chrono::system_clock::now();
    return std::chrono::floor<std::chrono::days>(now);
}

// The commands that tell of the others.
class About {
public:
    explicit About(CLI::App& app) : app_{app} {
        completion_ = app.add_subcommand("completion", "Print the completion of this command line");
        completion_->add_option("SHELL", shell_, "bash or zsh")
            ->required()
            ->check(CLI::IsMember({"bash", "zsh"}));
        completion_->footer("Example: eval \"$(postroom completion bash)\"");
        manual_ = app.add_subcommand("manual", "Print the manual page");
        manual_->footer("Example: postroom manual | man -l -");
    }
    bool run() const {
        const auto tree = relay::describe(app_);
        if (manual_->parsed()) {
            std::cout << relay::manual(tree, POSTROOM_VERSION, today());
        } else if (completion_->parsed()) {
            std::cout << (shell_ == "bash" ? relay::bash_completion(tree)
                                           : relay::zsh_completion(tree));
        }
        return manual_->parsed() || completion_->parsed();
    }

private:
    CLI::App& app_;
    CLI::App* completion_;
    CLI::App* manual_;
    std::string shell_;
};

}  // namespace

int main(int argc, char** argv) {
    relay::set_up_log();

    CLI::App app{"postroom: a transactional outbox for PostgreSQL, and its relay to Kafka",
                 "postroom"};
    app.require_subcommand(1);
    app.set_version_flag("--version", POSTROOM_VERSION);
    Flags flags;
    auto* relay_command = app.add_subcommand(
        "relay", "Publish the events of a database's outbox, or of several, to Kafka");
    add_settings(*relay_command, flags);
    auto* config = app.add_subcommand("config", "Look at the relay's settings without starting it");
    config->require_subcommand(1);
    auto* check =
        config->add_subcommand("check", "Check the settings whole; exit 1 and say what is wrong");
    auto* print =
        config->add_subcommand("print", "Print the settings as they take effect, secrets redacted");
    add_settings(*check, flags);
    add_settings(*print, flags);
    Migration migration;
    auto* migrate = app.add_subcommand(
        "migrate", "Bring a database's schema up to date; safe to run twice at once");
    add_migration(*migrate, migration);
    relay::Operate operate{app};
    const About about{app};
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? 0 : 1;
    }

    try {
        if (const auto code = operate.run()) return *code;
        if (about.run()) return 0;
        if (relay_command->parsed()) return run_relay(flags);
        if (migrate->parsed()) return run_migration(migration);
        const auto values = read_settings(flags);
        if (print->parsed()) std::cout << relay::print_config(values);
        static_cast<void>(relay::to_databases(values));
        if (check->parsed()) std::cout << "the settings are sound\n";
        return 0;
    } catch (const std::exception& error) {
        std::cerr << "postroom: " << error.what() << '\n';
        return 1;
    }
}

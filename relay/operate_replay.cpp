// How an operator has history published again: the commands "replay".
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <iomanip>
#include <iostream>

#include "relay/operate.hpp"
#include "relay/table_text.hpp"

namespace relay {
namespace {

constexpr auto effect_sql = R"(
select * from outbox.replay_effect($1::timestamptz, $2::timestamptz, $3::text[], $4::text[], $5::text[], $6::bigint))";
constexpr auto start_sql = R"(
select * from outbox.start_replay($1::timestamptz, $2::timestamptz, $3::text[], $4::text[], $5::text[], $6::bigint,
                                  $7, $8::int))";
constexpr auto state_sql = R"(
select sum(done)::bigint, sum(total)::bigint, bool_or(state = 'running'), bool_and(state = 'done'),
       coalesce(string_agg(format('replay %s: %s', id, coalesce(error, state)), '; ' order by id)
                filter (where state in ('failed', 'cancelled')), '')
from outbox.replay where id = any ($1::bigint[]))";
constexpr auto list_sql = R"(
select id, shard, state, done, total, rate, topic, from_time, to_time, requested_by, requested_at, finished_at, error
from outbox.replay order by id desc limit $1::bigint)";
constexpr auto cancel_sql = R"(
select a.* from unnest($1::bigint[]) i(id) cross join lateral outbox.cancel_replay(i.id) a)";
constexpr auto resume_sql = R"(
select a.* from unnest($1::bigint[]) i(id) cross join lateral outbox.resume_replay(i.id) a)";

std::optional<std::string> given(const std::string& value) {
    return value.empty() ? std::nullopt : std::optional{value};
}
std::optional<std::string> given(const std::vector<std::string>& values) {
    return values.empty() ? std::nullopt : std::optional{as_array(values)};
}

bool confirmed(std::int64_t events) {
    if (::isatty(STDIN_FILENO) == 0)
        throw std::runtime_error{
            "nothing is published yet: that is what it would do. Say --yes to do it"};
    std::cerr << "Publish " << events << " events again? [y/N] ";
    std::string answer;
    return std::getline(std::cin, answer) && (answer == "y" || answer == "yes");
}

// Ctrl-C and its like, from now on taken by wait() alone.
class Interrupts {
public:
    Interrupts() {
        sigemptyset(&signals_);
        for (const int signal : {SIGINT, SIGTERM}) sigaddset(&signals_, signal);
        pthread_sigmask(SIG_BLOCK, &signals_, nullptr);
    }
    // For a second; true when interrupted.
    bool wait() const {
        const timespec second{.tv_sec = 1, .tv_nsec = 0};
        return sigtimedwait(&signals_, nullptr, &second) > 0;
    }

private:
    sigset_t signals_{};
};

void show_progress(std::int64_t done, std::int64_t total, double rate) {
    std::cerr << done << "/" << total << " events, " << std::fixed << std::setprecision(0) << rate
              << "/s";
    if (rate > 0) std::cerr << ", " << static_cast<double>(total - done) / rate << " s to go";
    std::cerr << std::endl;
}

}  // namespace

void Operate::add_replay(CLI::App& app) {
    auto& command =
        add(app, "replay", "Publish kept history again, under the events' own ids",
            "replay --from '2026-05-01 10:00Z' --type OrderPlaced --topic rebuild --dry-run", {});
    command.callback([this, &command] {
        if (command.get_subcommands().empty()) chosen_ = [this] { return replay(); };
    });
    command.add_option("--from", from_, "appended from then on (default: all that is kept)");
    command.add_option("--to", replay_.to, "appended before then (default: now)");
    command.add_option("--type", replay_.types, "of this type only; repeatable");
    command.add_option("--key", replay_.keys, "of this key only; repeatable");
    command.add_option("--aggregatetype", replay_.aggregates, "of this one only; repeatable");
    command.add_option("--topic", replay_.topic, "into this topic, rather than each into its own");
    command.add_option("--rate", replay_.rate, "events a second, at most")
        ->check(CLI::Range(1, 1'000'000))
        ->capture_default_str();
    command.add_option("--limit", replay_.most, "the first so many only")
        ->check(CLI::PositiveNumber);
    command.add_flag("--dry-run", dry_run_, "only tell what it would publish");
    command.add_flag("--yes", yes_, "do it without asking");
    add_limit(add(command, "list", "Every replay, the latest first", "replay list",
                  [this] { return list(list_sql, {std::to_string(limit_)}); }));
    const auto with_id = [this](CLI::App& sub) {
        sub.add_option("ID", replay_.ids, "the replay's id")->required();
    };
    with_id(add(command, "cancel", "End one after the batch under way", "replay cancel 1",
                [this] { return list(cancel_sql, {as_array(replay_.ids)}); }));
    with_id(add(command, "resume", "Go on with one where it ended", "replay resume 1", [this] {
        auto connection = connect();
        connection.run(resume_sql, {as_array(replay_.ids)});
        return watch(connection);
    }));
}

int Operate::replay() {
    auto connection = connect();
    const auto most = replay_.most ? std::optional{std::to_string(*replay_.most)} : std::nullopt;
    const auto types = given(replay_.types), keys = given(replay_.keys),
               aggregates = given(replay_.aggregates);
    const auto effect = connection.run(
        effect_sql, {given(from_), given(replay_.to), types, keys, aggregates, most});
    print(effect);
    std::int64_t events = 0;
    for (int row = 0; row < effect.rows(); ++row) events += effect.number(row, 1);
    if (dry_run_ || events == 0) return 0;
    if (!yes_ && !confirmed(events)) return 1;
    const auto started =
        connection.run(start_sql, {given(from_), given(replay_.to), types, keys, aggregates, most,
                                   given(replay_.topic), std::to_string(replay_.rate)});
    for (int row = 0; row < started.rows(); ++row)
        replay_.ids.emplace_back(started.at(row, PQfnumber(started.get(), "id")));
    return watch(connection);
}

// Follows the replays until they end; an interrupt cancels them.
int Operate::watch(Connection& connection) const {
    std::string ids;
    for (const auto& id : replay_.ids) ids += " " + id;
    const Interrupts interrupts;
    for (std::int64_t before = -1;;) {
        const auto state = connection.run(state_sql, {as_array(replay_.ids)});
        const auto done = state.number(0, 0);
        show_progress(done, state.number(0, 1),
                      before < 0 ? 0 : static_cast<double>(done - before));
        before = done;
        if (state.at(0, 2) != "t") {
            if (state.at(0, 3) == "t") return 0;
            throw std::runtime_error{std::string{state.at(0, 4)} +
                                     ". Go on with: postroom replay resume" + ids};
        }
        if (!interrupts.wait()) continue;
        connection.run(cancel_sql, {as_array(replay_.ids)});
    }
}

}  // namespace relay

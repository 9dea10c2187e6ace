// How an operator has a shard publish what is there and then stand still: the command "drain".
#include <unistd.h>

#include <chrono>
#include <format>
#include <iostream>

#include "relay/operate.hpp"
#include "relay/operator_sql.hpp"

namespace relay {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::milliseconds look_every{200};

// Without a relay, none publishes: the next one finds the shard drained.
constexpr auto state_sql = R"(
select d.shard, d.left, d.stopped_at, d.stopped_at is not null or (d.left = 0 and not d.leased) as drained,
       case when not d.leased then ', and no relay runs' else '' end
from (select a.shard, outbox.drain_left(a.shard, 10000) as left, a.stopped_at,
             l.expires_at > clock_timestamp() as leased
      from outbox.paused a join outbox.lease l using (shard)
      where a.upto is not null and a.shard = coalesce($1::int, a.shard)) d
order by d.shard)";
constexpr auto result_sql = R"(
select shard, paused_by, paused_at as asked_at, stopped_at as drained_at, reason
from outbox.paused where upto is not null and shard = coalesce($1::int, shard) order by shard)";

std::string line(const Result& state) {
    std::string text;
    for (int row = 0; row < state.rows(); ++row) {
        if (state.at(row, 3) == "t") continue;
        if (!text.empty()) text += "; ";
        const auto left = state.number(row, 1);
        text +=
            std::format("shard {}: {} to publish{}", state.at(row, 0),
                        left >= 10'000 ? "10000 or more" : std::to_string(left), state.at(row, 4));
    }
    return text;
}

}  // namespace

void Operate::add_drain(CLI::App& app) {
    auto& command =
        add(app, "drain", "Publish what is committed by now, then pause, and keep the lease",
            "drain --shard 0 --timeout 60", [this] { return drain(); });
    add_shard(command);
    command.add_option("--reason", reason_, "for the audit trail (default: drain)");
    command
        .add_option("--timeout", timeout_s_,
                    "seconds to wait; after that it exits 1, and the request stands until resume")
        ->check(CLI::NonNegativeNumber)
        ->capture_default_str();
}

int Operate::drain() const {
    auto connection = connect();
    const auto shard = shard_ ? std::optional{std::to_string(*shard_)} : std::nullopt;
    const auto until = Clock::now() + std::chrono::seconds{timeout_s_};
    const auto asked =
        connection.run(drain_sql, {reason_.empty() ? std::nullopt : std::optional{reason_}, shard});
    for (auto told = Clock::now();;) {
        const auto state = connection.run(state_sql, {shard});
        if (state.rows() < asked.rows())
            throw std::runtime_error{
                "not drained: somebody has resumed or paused a shard meanwhile. See: postroom "
                "audit"};
        const auto left = line(state);
        if (left.empty()) break;
        if (Clock::now() >= until)
            throw std::runtime_error{
                std::format("not drained within {} s: {}. It pauses once it is; postroom explain "
                            "tells what holds it up, postroom resume gives it up",
                            timeout_s_, left)};
        if (::isatty(STDERR_FILENO) != 0 && Clock::now() - told > std::chrono::seconds{1}) {
            std::cerr << left << std::endl;
            told = Clock::now();
        }
        static_cast<void>(connection.await_notification(look_every, -1));
    }
    print(connection.run(result_sql, {shard}));
    return 0;
}

}  // namespace relay

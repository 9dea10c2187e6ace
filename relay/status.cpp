#include "relay/status.hpp"

#include <prometheus/text_serializer.h>

#include <algorithm>
#include <format>

namespace relay {
namespace {

constexpr std::chrono::seconds silence_limit{30};

}  // namespace

std::string_view to_string(State state) {
    switch (state) {
        case State::starting:
            return "starting";
        case State::standby:
            return "standby";
        case State::leading:
            return "leading";
        case State::paused:
            return "paused";
        case State::failing:
            return "failing";
        case State::stopping:
            return "stopping";
    }
    return "unknown";
}

prometheus::Gauge& Status::gauge(const char* name, const char* help) {
    return prometheus::BuildGauge().Name(name).Help(help).Register(registry_).Add(labels_);
}
prometheus::Counter& Status::counter(const char* name, const char* help) {
    return prometheus::BuildCounter().Name(name).Help(help).Register(registry_).Add(labels_);
}
prometheus::Histogram& Status::histogram(const char* name, const char* help,
                                         const std::vector<double>& buckets) {
    return prometheus::BuildHistogram().Name(name).Help(help).Register(registry_).Add(labels_,
                                                                                      buckets);
}

Status::Status(Board& board, prometheus::Registry& registry, prometheus::Labels labels)
    : board_{board},
      registry_{registry},
      labels_{std::move(labels)},
      beat_{std::chrono::steady_clock::now().time_since_epoch().count()},
      published{counter("postroom_relay_published_total", "Events that Kafka acknowledged")},
      dead_lettered{
          counter("postroom_relay_dead_lettered_total", "Events parked in outbox.dead_letter")},
      windows{counter("postroom_relay_windows_total", "Windows published")},
      restarts{counter("postroom_relay_restarts_total", "Sessions begun anew after an error")},
      window_events{histogram("postroom_relay_window_events", "Events in a window",
                              {1, 3, 10, 30, 100, 300, 1000, 3000, 10000, 100000, 1000000})},
      publish_seconds{histogram("postroom_relay_publish_seconds",
                                "From fixing a window to its last acknowledgement",
                                {.001, .002, .005, .01, .02, .05, .1, .2, .5, 1, 2, 5, 10, 30})},
      pending{gauge("postroom_relay_pending",
                    "Committed events not published yet; above 10000 an estimate")},
      oldest_age{gauge("postroom_relay_oldest_age_seconds", "Age of the oldest pending event")},
      lease_held{gauge("postroom_relay_lease_held", "1 while this relay publishes the shard")},
      lease_epoch{gauge("postroom_relay_lease_epoch", "The lease's fencing epoch")},
      position{gauge("postroom_relay_position", "Events published since the outbox was made")},
      in_flight{
          gauge("postroom_relay_in_flight", "Events handed to Kafka and not acknowledged yet")},
      awake{gauge("postroom_relay_awake", "1 while polling, 0 while waiting for the doorbell")},
      paused{gauge("postroom_relay_paused", "1 while an operator has paused the shard")},
      dead{gauge("postroom_relay_dead", "Open dead letters and those behind them, 10000 at most")},
      notification_queue{gauge("postroom_relay_notification_queue_ratio",
                               "How full PostgreSQL's notification queue is, 0 to 1")},
      history_age{gauge("postroom_relay_history_age_seconds", "Age of the oldest event kept")},
      retain_for{gauge("postroom_relay_retain_seconds", "outbox.setting.retain_for")} {}

void Status::set(State state) {
    const bool is_new = state_.exchange(state) != state;
    const bool is_held = state == State::leading || state == State::paused;
    lease_held.Set(is_held ? 1 : 0);
    paused.Set(state == State::paused ? 1 : 0);
    if (is_new) board_.changed();
}

void Status::beat() {
    const auto now = std::chrono::steady_clock::now();
    beat_ = now.time_since_epoch().count();
    has_beaten_ = true;
    board_.beat(now);
}

std::string Status::line() const {
    const auto trouble = this->trouble();
    return std::format("{}, epoch {:.0f}: {:.0f} published since it started, {:.0f} pending{}{}",
                       to_string(state_), lease_epoch.Value(), published.Value(), pending.Value(),
                       trouble.empty() ? "" : "; ", trouble);
}

void Status::set_trouble(const std::string& trouble) {
    const std::scoped_lock lock{trouble_mutex_};
    trouble_ = trouble;
}

std::string Status::trouble() const {
    const std::scoped_lock lock{trouble_mutex_};
    return trouble_;
}

bool Status::alive() const {
    const std::chrono::steady_clock::duration last{beat_.load()};
    return given_up_ || std::chrono::steady_clock::now().time_since_epoch() - last < silence_limit;
}

void Status::give_up() {
    given_up_ = true;
    set(State::failing);
}

Status& Board::of(const std::string& database, int shard) {
    const std::scoped_lock lock{mutex_};
    return statuses_
        .try_emplace({database, shard}, *this, registry_,
                     prometheus::Labels{{"database", database}, {"shard", std::to_string(shard)}})
        .first->second;
}

void Board::give_up(const std::string& database) {
    std::vector<Status*> all;
    {
        const std::scoped_lock lock{mutex_};
        for (auto& [name, status] : statuses_) {
            if (name.first == database) all.push_back(&status);
        }
    }
    for (auto* status : all) status->give_up();
}

bool Board::alive() const {
    const std::scoped_lock lock{mutex_};
    return std::ranges::all_of(statuses_, [](const auto& one) { return one.second.alive(); });
}

// A standby takes over when the lease is free. So does, later, one that is told to pause.
bool Board::is_ready() const {
    return std::ranges::all_of(statuses_, [](const auto& one) {
        const auto state = one.second.state();
        return state == State::leading || state == State::standby || state == State::paused;
    });
}

std::pair<bool, std::string> Board::ready() const {
    const std::scoped_lock lock{mutex_};
    std::string text;
    for (const auto& [name, status] : statuses_) {
        if (statuses_.size() > 1)
            text += name.first + " shard " + std::to_string(name.second) + ": ";
        text += std::string{to_string(status.state())} + "\n";
    }
    return {is_ready(), text};
}

std::string Board::metrics() const {
    return prometheus::TextSerializer{}.Serialize(registry_.Collect());
}

std::string Board::line() const {
    if (statuses_.size() == 1) return statuses_.begin()->second.line();
    std::map<State, int> counts;
    std::string text;
    for (const auto& [name, status] : statuses_) ++counts[status.state()];
    for (const auto& [state, count] : counts)
        text += (text.empty() ? "" : ", ") + std::format("{} {}", count, to_string(state));
    return "shards: " + text;
}

void Board::changed() {
    const std::scoped_lock lock{mutex_};
    Systemd::tell(line());
    if (is_ready()) systemd_.ready();
}

void Board::beat(std::chrono::steady_clock::time_point now) {
    if (now.time_since_epoch().count() < next_beat_) return;
    const std::scoped_lock lock{mutex_};
    if (!std::ranges::all_of(statuses_, [](const auto& one) { return one.second.has_beaten(); }))
        return;
    for (auto& [name, status] : statuses_) status.await_beat();
    next_beat_ = (now + systemd_.every()).time_since_epoch().count();
    systemd_.beat(line());
}

}  // namespace relay

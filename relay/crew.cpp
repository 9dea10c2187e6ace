#include "relay/crew.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <exception>
#include <thread>
#include <utility>

#include "relay/log_label.hpp"
#include "relay/pipeline.hpp"

namespace relay {
namespace {

using namespace std::chrono_literals;

std::string advice(const PostgresError& error) {
    const bool lacks_something = error.sqlstate().starts_with("42") && error.sqlstate() != "42501";
    return lacks_something ? ": run 'postroom migrate' on this database" : "";
}

}  // namespace

struct Crew::Worker {
    Worker(Settings of_database, int shard, Status& status, Caution& caution, const WakeUp& wake_up)
        : settings{std::move(of_database)},
          thread{[this, shard, &status, &caution, &wake_up](const std::stop_token& stop) {
              settings.shard = shard;
              label_log(settings.log_label);
              try {
                  drained = publish_shard(settings, status, caution, stop);
              } catch (...) {
                  error = std::current_exception();
              }
              ended = true;
              wake_up.ring();
          }} {}

    Settings settings;
    bool drained = false;
    std::exception_ptr error;
    std::atomic<bool> ended{};
    std::jthread thread;
};

Crew::Crew(const Settings& settings, Board& board) : settings_{settings}, board_{board} {
    idle_as(State::starting);
}

Crew::~Crew() { finish(); }

void Crew::run(const std::stop_token& stop) {
    const std::stop_callback on_stop{stop, [this] { wake_up_.ring(); }};
    const auto tick = std::clamp(settings_.lease / 5, 10ms, 1000ms);
    for (;;) {
        wake_up_.clear();
        reap();
        if (stop.stop_requested() || is_drained()) break;
        try {
            if (!roster_) roster_.emplace(settings_);
            look();
            idle_as(State::standby);
            roster_->wait(tick, wake_up_.fd());
        } catch (const PostgresError& error) {
            if (!error.is_retryable()) throw std::runtime_error{error.what() + advice(error)};
            spdlog::warn(error.what());
            roster_.reset();
            idle_as(State::failing);
            wake_up_.wait(tick);
        }
    }
    finish();
    reap();
}

// Starts and stops workers as the shards are divided now.
void Crew::look() {
    const auto shards = roster_->shards();
    std::set<int> there;
    for (const auto& leased : shards) there.insert(leased.shard);
    if (std::exchange(shards_, there) != there) drained_.clear();
    roster_->attend(able());
    const auto owners = divide(shards, roster_->relays());
    for (const auto& [shard, holder, is_free] : shards) {
        const auto owner = owners.find(shard);
        if (owner == owners.end() || owner->second != settings_.holder) continue;
        if (!is_free || workers_.contains(shard) || drained_.contains(shard)) continue;
        workers_.emplace(
            shard, std::make_unique<Worker>(settings_, shard, board_.of(settings_.database, shard),
                                            cautions_[shard], wake_up_));
    }
    for (const auto& [shard, worker] : workers_) {
        const auto owner = owners.find(shard);
        const bool is_anothers = owner != owners.end() && owner->second != settings_.holder;
        if (shards_.contains(shard) && !is_anothers) continue;
        if (!worker->thread.get_stop_source().stop_requested())
            spdlog::info("giving shard {} up{}", shard, is_anothers ? " to " + owner->second : "");
        worker->thread.request_stop();
    }
}

// Not those that fail here, as they may not fail elsewhere.
std::optional<std::vector<int>> Crew::able() const {
    const auto fails = [&](int shard) {
        return workers_.contains(shard) &&
               board_.of(settings_.database, shard).state() == State::failing;
    };
    if (settings_.shards.empty() && std::ranges::none_of(shards_, fails)) return std::nullopt;
    std::vector<int> able;
    for (const int shard : shards_) {
        if (settings_.wants(shard) && !fails(shard)) able.push_back(shard);
    }
    return able;
}

bool Crew::is_drained() const {
    return settings_.stop_when_drained && std::ranges::all_of(shards_, [&](int shard) {
               return drained_.contains(shard) || !settings_.wants(shard);
           });
}

// Takes the workers off that have ended; throws what ended them.
void Crew::reap() {
    for (auto one = workers_.begin(); one != workers_.end();) {
        auto& worker = *one->second;
        if (!worker.ended) {
            ++one;
            continue;
        }
        if (worker.thread.joinable()) worker.thread.join();
        const auto error = worker.error;
        if (worker.drained) drained_.insert(one->first);
        one = workers_.erase(one);
        if (error) std::rethrow_exception(error);
    }
}

void Crew::finish() {
    if (!roster_ && workers_.empty()) return;
    try {
        if (roster_) roster_->leave();
    } catch (const PostgresError& error) {
        spdlog::debug(error.what());
    }
    roster_.reset();
    for (const auto& [shard, worker] : workers_) worker->thread.request_stop();
    for (const auto& [shard, worker] : workers_) {
        if (worker->thread.joinable()) worker->thread.join();
    }
    idle_as(State::stopping);
}

void Crew::idle_as(State state) {
    for (const int shard : shards_) {
        if (workers_.contains(shard)) continue;
        auto& status = board_.of(settings_.database, shard);
        status.set(state);
        status.beat();
    }
}

void run(const std::vector<Settings>& databases, Board& board, const std::stop_token& stop) {
    if (databases.size() == 1) {
        Crew{databases.front(), board}.run(stop);
        return;
    }
    std::atomic<std::size_t> failed{};
    {
        std::vector<std::jthread> crews;
        crews.reserve(databases.size());
        for (const auto& settings : databases)
            crews.emplace_back([&] {
                label_log(settings.log_label);
                try {
                    Crew{settings, board}.run(stop);
                } catch (const std::exception& error) {
                    spdlog::error("{}; the other databases go on", error.what());
                    board.give_up(settings.database);
                    ++failed;
                }
            });
    }
    if (failed > 0) throw std::runtime_error{"of the databases, some could not be published"};
}

}  // namespace relay

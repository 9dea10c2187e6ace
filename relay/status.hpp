// What a running relay shows: Prometheus metrics, and the answers to "alive?" and "ready?", for
// each shard of each database; and to systemd in sum. Thread-safe.
#pragma once

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <atomic>
#include <chrono>
#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "relay/systemd.hpp"

namespace relay {

enum class State { starting, standby, leading, paused, failing, stopping };
std::string_view to_string(State state);

class Board;

class Status {
public:
    Status(Board& board, prometheus::Registry& registry, prometheus::Labels labels);

    void set(State state);
    State state() const { return state_; }
    // What keeps it from publishing; empty once it has published again.
    void set_trouble(const std::string& trouble);
    std::string trouble() const;
    // The main loop's sign of life; alive() tells whether there was one lately.
    void beat();
    bool alive() const;
    // Whether there was one since await_beat().
    bool has_beaten() const { return has_beaten_ || given_up_; }
    void await_beat() { has_beaten_ = false; }
    // No signs of life any more, nor are they to be expected.
    void give_up();
    std::string line() const;  // all of it for people

private:
    Board& board_;
    prometheus::Registry& registry_;
    prometheus::Labels labels_;
    std::atomic<State> state_{State::starting};
    std::atomic<std::chrono::steady_clock::rep> beat_{};
    mutable std::mutex trouble_mutex_;
    std::string trouble_;
    std::atomic<bool> has_beaten_{};
    std::atomic<bool> given_up_{};

    prometheus::Gauge& gauge(const char* name, const char* help);
    prometheus::Counter& counter(const char* name, const char* help);
    prometheus::Histogram& histogram(const char* name, const char* help,
                                     const std::vector<double>& buckets);

public:
    prometheus::Counter& published;
    prometheus::Counter& dead_lettered;
    prometheus::Counter& windows;
    prometheus::Counter& restarts;
    prometheus::Histogram& window_events;
    prometheus::Histogram& publish_seconds;
    prometheus::Gauge& pending;
    prometheus::Gauge& oldest_age;
    prometheus::Gauge& lease_held;
    prometheus::Gauge& lease_epoch;
    prometheus::Gauge& position;
    prometheus::Gauge& in_flight;
    prometheus::Gauge& awake;
    prometheus::Gauge& paused;
    prometheus::Gauge& dead;
    prometheus::Gauge& notification_queue;
    prometheus::Gauge& history_age;
    prometheus::Gauge& retain_for;
};

// All of them.
class Board {
public:
    // The same one for the same names, and for as long as the board.
    Status& of(const std::string& database, int shard);

    // Nobody works on this database any more, nor will: not ready, but no reason for a restart that
    // others would suffer.
    void give_up(const std::string& database);
    bool alive() const;
    // Whether each shard is published, or could be if its relay were gone; and what each does.
    std::pair<bool, std::string> ready() const;
    std::string metrics() const;  // Prometheus text format

    // For its statuses: the state of one is new; one has given a sign of life. The watchdog is fed
    // once all have since the last time.
    void changed();
    void beat(std::chrono::steady_clock::time_point now);

private:
    bool is_ready() const;
    std::string line() const;

    prometheus::Registry registry_;
    mutable std::mutex mutex_;
    std::map<std::pair<std::string, int>, Status> statuses_;
    Systemd systemd_;
    std::atomic<std::chrono::steady_clock::rep> next_beat_{};
};

}  // namespace relay

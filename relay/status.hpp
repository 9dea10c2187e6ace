// What a running relay shows: Prometheus metrics, the answers to "alive?" and "ready?", and the
// same to systemd. Thread-safe, but for set() and beat(), which are the main loop's.
#pragma once

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>
#include <string>

#include "relay/systemd.hpp"

namespace relay {

enum class State { starting, standby, leading, paused, failing, stopping };
std::string_view to_string(State state);

class Status {
public:
    Status();

    void set(State state);
    State state() const { return state_; }
    // What keeps it from publishing; empty once it has published again.
    void set_trouble(const std::string& trouble);
    std::string trouble() const;
    // The main loop's sign of life; alive() tells whether there was one lately.
    void beat();
    bool alive() const;
    std::string metrics() const;  // Prometheus text format

private:
    prometheus::Registry registry_;
    std::atomic<State> state_{State::starting};
    std::atomic<std::chrono::steady_clock::rep> beat_{};
    mutable std::mutex trouble_mutex_;
    std::string trouble_;
    Systemd systemd_;

    std::string line() const;  // all of it for people
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

}  // namespace relay

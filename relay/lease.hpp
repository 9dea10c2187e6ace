// Keeps a lease: renews it from a thread and a connection of its own, so that no slow publish loses
// it.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <thread>

#include "relay/settings.hpp"

namespace relay {

class Lease {
public:
    // For a lease just acquired under this epoch. on_loss is called once, from the lease's thread.
    Lease(const Settings& settings, std::int64_t epoch, std::function<void()> on_loss);

    // True once it is taken by another, or could not be renewed for two thirds of its time: stop
    // publishing.
    bool lost() const { return lost_; }

private:
    void keep(const std::stop_token& stop);

    const Settings& settings_;
    std::int64_t epoch_;
    std::function<void()> on_loss_;
    std::atomic<bool> lost_{};
    std::jthread thread_;
};

}  // namespace relay

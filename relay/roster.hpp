// Which relays publish an outbox, and how they divide its shards: by what the database tells, each
// comes to the same result by itself. The leases decide; this only saves them from quarrelling.
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "relay/postgres.hpp"
#include "relay/settings.hpp"

namespace relay {

struct Leased {
    int shard{};
    std::string holder;  // the last one, unless it gave it back
    bool is_free{};
};

struct Attending {
    std::string holder;
    std::optional<std::vector<int>> able;  // the shards that it can publish now; nothing: any
};

// The relay that each shard belongs to: who has it keeps it, up to an even share, and the rest goes
// to those who have least. None for a shard that nobody can publish.
std::map<int, std::string> divide(const std::vector<Leased>& shards,
                                  const std::vector<Attending>& relays);

// Not thread-safe.
class Roster {
public:
    explicit Roster(const Settings& settings);

    // Says that this relay runs, and what it can publish; again before a lease's time is over.
    void attend(const std::optional<std::vector<int>>& able);
    // Lets the others take its shards as soon as they are free.
    void leave();

    std::vector<Leased> shards();
    std::vector<Attending> relays();
    // Until something changes, perhaps.
    void wait(std::chrono::milliseconds limit, int wake_up_fd);

private:
    using Clock = std::chrono::steady_clock;

    const Settings& settings_;
    Connection connection_;
    std::optional<std::string> told_;
    Clock::time_point attended_;
};

}  // namespace relay

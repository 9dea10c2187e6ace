// The relay of one database: takes its share of the shards, and has a worker publish each.
//
// A worker is a thread with sessions, a producer and a lease of its own, made when a lease is free
// that falls to this relay. When more relays come, those that are too many are stopped as a whole
// relay is: what is queued is delivered and recorded, then the lease is given back.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <stop_token>
#include <vector>

#include "relay/publisher.hpp"
#include "relay/roster.hpp"
#include "relay/settings.hpp"
#include "relay/status.hpp"
#include "relay/wake_up.hpp"

namespace relay {

class Crew {
public:
    Crew(const Settings& settings, Board& board);
    ~Crew();
    Crew(const Crew&) = delete;
    Crew& operator=(const Crew&) = delete;

    // Until it is told to stop, or every shard is drained, if the settings say so. Throws what time
    // cannot mend: bad settings, WrongSystem, a refused login.
    void run(const std::stop_token& stop);

private:
    struct Worker;

    void look();
    bool is_drained() const;
    std::optional<std::vector<int>> able() const;
    void reap();
    void finish();
    void idle_as(State state);

    const Settings& settings_;
    Board& board_;
    WakeUp wake_up_;
    std::optional<Roster> roster_;
    std::set<int> shards_{0};  // that there are
    std::set<int> drained_;
    std::map<int, Caution> cautions_;  // what a shard's refusals have taught
    std::map<int, std::unique_ptr<Worker>> workers_;
};

// A crew for each of the databases. Of several, one whose crew fails is left alone, loudly, and
// makes the relay not ready; the only one's error is thrown.
void run(const std::vector<Settings>& databases, Board& board, const std::stop_token& stop);

}  // namespace relay

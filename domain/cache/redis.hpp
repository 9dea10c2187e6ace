// A client of Redis, one server or a cluster: which of the two it finds out by itself.
//
//   Redis redis{{.addresses = {"127.0.0.1:6379"}, .node = {.password = secret}}};
//   redis.run("get_order:1", {"GET", "get_order:1"});
//
// In a cluster a command goes to the master of its key's slot, follows MOVED and ASK, and the map
// of slots is asked for anew when it is out of date or a master is away. Redis away: every call
// fails soon, most of them at once (Node's breaker), and callers go on without it.
//
// Connects at the first call, not at construction. Ignores SIGPIPE in the process, which hiredis
// would otherwise end with it. Thread-safe.
#pragma once

#include <array>
#include <chrono>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "domain/cache/connection.hpp"
#include "domain/cache/node.hpp"
#include "domain/cache/slots.hpp"

namespace domain::cache {

// A Lua script, called by its digest once a server knows it.
class Script {
public:
    explicit Script(std::string text);
    const std::string& text() const { return text_; }
    const std::string& sha1() const { return sha1_; }

private:
    std::string text_;
    std::string sha1_;
};

class Redis {
public:
    struct Options {
        std::vector<std::string> addresses;  // host:port; of a cluster some suffice
        Node::Options node = {};
        // The slot map is not asked for more often than that.
        std::chrono::milliseconds refresh_pause{100};
    };

    // Throws std::invalid_argument for an address that is none.
    explicit Redis(Options options);

    // Where the key belongs. Throws Unavailable, or RedisError with what the server said.
    Reply run(std::string_view key, const Words& words);

    // keys must share a slot, and not be empty.
    Reply eval(const Script& script, const Words& keys, const Words& arguments);

    // To every subscriber of the server or cluster.
    void publish(const std::string& channel, const std::string& message);

    // All addresses known now: those given and those that the cluster told.
    std::vector<std::string> addresses() const;

    const Options& options() const { return options_; }

private:
    using Clock = std::chrono::steady_clock;
    struct Topology {
        std::vector<std::shared_ptr<Node>> masters;
        std::array<std::uint16_t, slot_count> owners{};  // an index into masters, plus one
    };

    std::shared_ptr<const Topology> topology() const;
    std::shared_ptr<Node> owner(std::uint16_t slot);
    std::shared_ptr<Node> node_at(const std::string& address);
    Reply dispatch(std::uint16_t slot, const Words& words);
    void refresh(const std::string& first_asked = {});
    void adopt(const Reply& slots, const std::shared_ptr<Node>& from);

    const Options options_;
    mutable std::mutex mutex_;                            // of the two below
    std::shared_ptr<const Topology> topology_;            // null: not known yet
    std::map<std::string, std::shared_ptr<Node>> nodes_;  // by address, replicas as well
    std::mutex refreshing_;                               // of the two below
    Clock::time_point next_refresh_;
    std::size_t refreshes_ = 0;
};

}  // namespace domain::cache

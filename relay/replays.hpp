// Publishes history again, as outbox.replay asks for it: the oldest request first, by seq, at most
// so many events a second, and beside what is new.
//
// The cursor moves after Kafka's acknowledgement, so that a crash repeats the last batch and loses
// nothing. What Kafka refuses ends the replay: it is published already, and no dead letter. Not
// thread-safe.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>

#include "relay/courier.hpp"

namespace relay {

class Replays {
public:
    using Clock = std::chrono::steady_clock;
    Replays(const Settings& settings, const std::stop_token& stop, Connection& connection,
            std::function<void()> check);

    // Publishes as many events as the rate allows by now, one batch at most. Throws what the
    // courier throws: the cursor stays where it was.
    void publish_some();
    // Not to be called before.
    Clock::time_point next() const { return next_; }

private:
    // Counts what may be published by now; what is not used up does not grow beyond a second's.
    struct Allowance {
        double events = 0;
        Clock::time_point counted = Clock::now();
        std::size_t grow(double rate);
    };
    struct Replay {
        std::string id;
        Courier courier;
        Allowance allowance;
    };

    void follow(const Result& request);
    void turn(std::int64_t cursor, std::size_t most);
    void report(std::int64_t cursor, const std::optional<std::string>& new_cursor,
                std::size_t published, const std::optional<std::string>& refusal);

    const Settings& settings_;
    const std::stop_token& stop_;
    Connection& connection_;
    std::function<void()> check_;
    std::optional<Replay> replay_;
    Clock::time_point next_;
};

}  // namespace relay

#include "domain/cache/subscription.hpp"

#include <sys/socket.h>

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <utility>

namespace domain::cache {
namespace {

constexpr std::chrono::milliseconds first_pause{50};
constexpr std::chrono::milliseconds longest_pause{1000};
constexpr std::chrono::milliseconds tick{1000};

void pause(const std::stop_token& stop, std::chrono::milliseconds span) {
    std::mutex mutex;
    std::unique_lock lock(mutex);
    std::condition_variable_any().wait_for(lock, stop, span, [] { return false; });
}

}  // namespace

Subscription::Subscription(Redis& redis, std::string channel, Calls calls)
    : redis_(redis),
      channel_(std::move(channel)),
      calls_(std::move(calls)),
      thread_([this](const std::stop_token& stop) { run(stop); }) {}

void Subscription::run(const std::stop_token& stop) {
    auto span = first_pause;
    while (!stop.stop_requested()) {
        for (const auto& address : redis_.addresses()) {
            const auto began = std::chrono::steady_clock::now();
            try {
                listen(stop, address);
            } catch (const RedisError&) {
                // Its end is told by `lost`; the next address, or the next round, may do better.
            }
            if (stop.stop_requested()) return;
            if (std::chrono::steady_clock::now() - began > longest_pause) span = first_pause;
        }
        calls_.idle();
        pause(stop, span);
        span = std::min(span * 2, longest_pause);
    }
}

void Subscription::listen(const std::stop_token& stop, const std::string& address) {
    const auto& node = redis_.options().node;
    Connection connection{address, node.password, node.bounds};
    connection.send({"SUBSCRIBE", channel_});
    const auto confirmed = connection.receive(node.bounds.command);
    if (!confirmed || confirmed->kind != Reply::Kind::list) throw Unavailable("no subscription");
    const std::stop_callback wake_up{stop, [&] { ::shutdown(connection.descriptor(), SHUT_RDWR); }};
    struct Told {
        const Calls& calls;
        explicit Told(const Calls& to) : calls(to) { calls.heard(); }
        Told(const Told&) = delete;
        Told& operator=(const Told&) = delete;
        ~Told() { calls.lost(); }
    } const told{calls_};
    auto next_tick = std::chrono::steady_clock::now() + tick;
    bool pinged = false;
    while (!stop.stop_requested()) {
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(
            next_tick - std::chrono::steady_clock::now());
        const auto reply = connection.receive(std::max(left, std::chrono::milliseconds{0}));
        if (reply && reply->list.size() == 3 && reply->list[0].text == "message")
            calls_.message(reply->list[2].text);
        if (reply) pinged = false;
        if (std::chrono::steady_clock::now() < next_tick) continue;
        // A connection whose other end is gone without a word looks like a quiet one.
        if (pinged) throw Unavailable("the subscription's server does not answer");
        connection.send({"PING"});
        pinged = true;
        next_tick += tick;
        calls_.idle();
    }
}

}  // namespace domain::cache

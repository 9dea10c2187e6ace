#include "relay/pipeline.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>

#include "relay/session.hpp"

namespace relay {
namespace {

using namespace std::chrono_literals;

void pause(std::chrono::milliseconds time, const std::stop_token& stop) {
    std::mutex mutex;
    std::condition_variable_any never;
    std::unique_lock lock{mutex};
    never.wait_for(lock, stop, time, [] { return false; });
}

}  // namespace

bool publish_shard(const Settings& settings, Status& status, Caution& caution,
                   const std::stop_token& stop) {
    constexpr auto first_backoff = 50ms;
    auto backoff = first_backoff;
    while (!stop.stop_requested()) {
        status.beat();
        const auto began = std::chrono::steady_clock::now();
        try {
            const WakeUp wake_up;
            const std::stop_callback on_stop{stop, [&wake_up] { wake_up.ring(); }};
            Session session{settings, status, stop, wake_up, caution};
            return session.run();
        } catch (const WrongSystem&) {
            throw;
        } catch (const std::invalid_argument&) {
            throw;
        } catch (const PostgresError& error) {
            if (!error.is_retryable()) throw;
            spdlog::warn("PostgreSQL: {}", error.what());
        } catch (const Fenced& error) {
            spdlog::warn("{}; standing by", error.what());
        } catch (const ProducerFailed& error) {
            spdlog::warn("{}; beginning again from the recorded position", error.what());
            status.set_trouble(error.what());
            if (caution.suspect) backoff = first_backoff;  // it knows what to do differently
        }
        if (stop.stop_requested()) break;
        status.set(State::failing);
        status.restarts.Increment();
        if (std::chrono::steady_clock::now() - began > 10s) backoff = first_backoff;
        pause(backoff, stop);
        backoff = std::min(backoff * 2, 2000ms);
    }
    return false;
}

}  // namespace relay

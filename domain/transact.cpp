#include "domain/transact.hpp"

#include <chrono>
#include <random>
#include <string_view>
#include <thread>

namespace domain {

bool is_connection_loss(const std::exception& error) {
    if (dynamic_cast<const pqxx::broken_connection*>(&error) != nullptr) return true;
    if (dynamic_cast<const pqxx::in_doubt_error*>(&error) != nullptr) return true;
    const auto* sql = dynamic_cast<const pqxx::sql_error*>(&error);
    if (sql == nullptr) return false;
    const std::string_view state = sql->sqlstate();
    // Class 08; and a server that shuts down, crashed, or is not up yet.
    return state.starts_with("08") || state == "57P01" || state == "57P02" || state == "57P03";
}

bool is_retryable(const std::exception& error, Phase phase, const TransactOptions& options) {
    if (dynamic_cast<const pqxx::serialization_failure*>(&error) != nullptr ||
        dynamic_cast<const pqxx::deadlock_detected*>(&error) != nullptr) {
        return true;
    }
    return is_connection_loss(error) && (phase == Phase::work || options.repeatable);
}

void pause_before(int attempt) {
    thread_local std::minstd_rand random{std::random_device{}()};
    const auto longest = 10 << attempt;
    std::uniform_int_distribution<int> jitter{longest / 2, longest};
    std::this_thread::sleep_for(std::chrono::milliseconds{jitter(random)});
}

}  // namespace domain

// Events that Kafka will never take, and those of the same key that wait behind them. Not
// thread-safe.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "relay/batch.hpp"
#include "relay/postgres.hpp"

namespace relay {

class DeadLetters {
public:
    // Loads the keys that wait.
    DeadLetters(Connection& connection, int shard);

    // The refused event that this key waits behind, or null once all of the key's are resolved.
    const std::string* blocking(std::string_view topic, std::string_view key);
    // On disk when it returns; the row's key waits from now on. Parking one twice changes nothing.
    void park(const Row& row, const std::string& topic, const std::string& error,
              const std::string* behind);

private:
    static std::string name(std::string_view topic, std::string_view key);

    Connection& connection_;
    int shard_;
    std::map<std::string, std::string> blocked_;
};

}  // namespace relay

// What the relay's fault tests play on: a database with accounts, a topic, and relays between the
// two.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "chaos/journal.hpp"
#include "support/database.hpp"
#include "support/kafka.hpp"
#include "support/process.hpp"

namespace chaos {

class Stage {
public:
    static constexpr int accounts = 40;

    explicit Stage(std::string brokers = support::kafka(), int replication = 1,
                   const std::map<std::string, std::string>& topic_config = {},
                   const std::string& server = support::postgres());

    const support::Database& database() const { return database_; }
    std::string writer_dsn() const { return database_.dsn("postroom_service"); }
    const std::string& topic_prefix() const { return prefix_; }
    std::string topic() const { return prefix_ + "account"; }

    // Its settings as environment variables; those given win. kafka: librdkafka's own properties.
    support::Process relay(const std::map<std::string, std::string>& environment = {},
                           const std::map<std::string, std::string>& kafka = {}) const;
    support::Process crashing_relay(const std::string& crash_point) const;

    std::int64_t pending() const;
    std::int64_t published() const;  // of the recorded position
    void await_published(std::int64_t least) const;
    void await_drained() const;  // within 60 s
    std::vector<support::Record> log() const { return support::read_topic(topic(), brokers_); }
    Verdict verdict(const Journal& journal) const { return compare(journal, log()); }

private:
    std::int64_t number(const char* sql) const;

    support::Database database_;
    std::string prefix_;
    std::string brokers_;
};

// Waits for its end and says whether SIGKILL was the cause: proof that a crash point was met.
bool was_killed(support::Process& process);
// SIGTERM, and whether it then ended by itself with status 0.
bool stops_gracefully(support::Process& process);

}  // namespace chaos

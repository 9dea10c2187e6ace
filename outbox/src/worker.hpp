// One database session of a consumer: applies deliveries, many in a transaction or one by one.
// Internal; one thread at a time.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <pqxx/pqxx>
#include <set>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "delivery.hpp"
#include "outbox/prepared.hpp"

namespace outbox {

// By type; several types may share one.
using Handlers = std::map<std::string, std::shared_ptr<const BatchHandler>, std::less<>>;

struct Outcome {
    enum class Kind { applied, duplicate, ignored, dead, failed } kind = Kind::applied;
    std::string error;       // of a failed one
    bool poison = false;     // no retry mends it
    bool blameless = false;  // costs no attempt
};

// What one worker does of a batch.
struct Share {
    std::vector<Delivery*> deliveries;
    bool follows = false;           // the same worker's share of a batch that is not settled yet
    std::vector<Outcome> outcomes;  // of each delivery, or none when told to stop meanwhile
    bool fell_back = false;         // it went one by one
};

class Worker {
public:
    // database_well is kept at the last word of the database.
    Worker(const ConsumerOptions& options, const Handlers& handlers,
           std::atomic<bool>& database_well)
        : options_{options}, handlers_{handlers}, database_well_{database_well} {}

    // May put the deliveries into another order, but never those of a lane. Once one of a lane has
    // failed, the later ones of that lane are left as failed, too, without an attempt (an empty
    // error), also in a share that follows. Waits for the database as long as it takes, or until
    // told to stop: what was applied by then, the inbox knows. After that, or after throwing, it
    // does no other share.
    void process(Share& share, const std::stop_token& stop);

    // Parks a failed event, whole; false when told to stop meanwhile.
    bool bury(const Delivery& delivery, const std::string& error, const std::stop_token& stop);

    void make_partitions(const std::stop_token& stop);

private:
    using Outcomes = std::vector<Outcome>;

    // An outcome for each, in order; nullopt when told to stop meanwhile.
    std::optional<Outcomes> process(std::span<Delivery* const> deliveries,
                                    const std::stop_token& stop, bool& fell_back);
    // Of the database or our session in it, and no event's fault.
    bool is_trouble(const pqxx::sql_error& error) const;
    bool until_it_works(const std::stop_token& stop,
                        const std::function<void(pqxx::connection&)>& work);
    Outcomes apply(pqxx::work& tx, std::span<Delivery* const> deliveries);
    Outcome apply_alone(pqxx::connection& connection, Delivery& delivery);
    void hand_over(pqxx::work& tx, const BatchHandler& handler, Messages messages);

    const ConsumerOptions& options_;
    const Handlers& handlers_;
    std::atomic<bool>& database_well_;
    struct Session {
        explicit Session(const std::string& dsn) : connection{dsn} {}
        pqxx::connection connection;
        std::optional<PreparedStatements> prepared;
    };
    std::optional<Session> session_;
    bool prepares_ = true;
    std::set<std::string> failed_;  // lanes, in the last share
    bool gave_up_ = false;          // a share was left as it was: told to stop, or by an error
};

}  // namespace outbox

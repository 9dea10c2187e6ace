// One database session of a consumer: applies deliveries, many in a transaction or one by one.
// Internal; one thread at a time.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <pqxx/pqxx>
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

class Worker {
public:
    // database_well is kept at the last word of the database.
    Worker(const ConsumerOptions& options, const Handlers& handlers,
           std::atomic<bool>& database_well)
        : options_{options}, handlers_{handlers}, database_well_{database_well} {}

    // An outcome for each delivery, in order. Once one of a key has failed, the later ones of that
    // key are left as failed, too, without an attempt (an empty error). Waits for the database as
    // long as it takes; nullopt when told to stop meanwhile: what was applied by then, the inbox
    // knows. fell_back tells that it went one by one.
    std::optional<std::vector<Outcome>> process(std::span<Delivery* const> deliveries,
                                                const std::stop_token& stop, bool& fell_back);

    // Parks a failed event, whole; false when told to stop meanwhile.
    bool bury(const Delivery& delivery, const std::string& error, const std::stop_token& stop);

    void make_partitions(const std::stop_token& stop);

private:
    // Of the database or our session in it, and no event's fault.
    bool is_trouble(const pqxx::sql_error& error) const;
    bool until_it_works(const std::stop_token& stop,
                        const std::function<void(pqxx::connection&)>& work);
    std::vector<Outcome> apply(pqxx::work& tx, std::span<Delivery* const> deliveries);
    Outcome apply_alone(pqxx::connection& connection, Delivery& delivery);
    void hand_over(pqxx::work& tx, const BatchHandler& handler, Messages messages);
    void park(pqxx::work& tx, const Delivery& delivery, const std::string& error,
              const std::optional<std::string>& behind);

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
};

}  // namespace outbox

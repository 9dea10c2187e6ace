// The orchestrator as a process, with a relay, a database and topics of its own; the services that
// take part are played by the test, over Kafka.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <pqxx/pqxx>
#include <set>
#include <string>
#include <vector>

#include "support/database.hpp"
#include "support/kafka.hpp"
#include "support/process.hpp"

namespace saga_test {

// Product, order and payment: idempotent by command, with tombstones, as the contract wants them.
class Participants {
public:
    explicit Participants(std::string prefix) : prefix_(std::move(prefix)) {}

    std::set<std::pair<std::int64_t, int>> refuse{};      // purchase and step
    std::set<std::pair<std::int64_t, std::string>> deaf;  // purchase and command: no answer

    // Does what was asked for since the last call, and answers; the commands, in order of arrival.
    void work();

    std::set<int> effects(std::int64_t purchase) const;  // steps that are done and not taken back
    int times_done(std::int64_t purchase) const;         // all its steps together
    std::vector<std::string> commands(std::int64_t purchase) const;  // types, as they came
    const std::vector<support::Record>& records() const { return records_; }

private:
    struct Part {
        std::map<std::string, bool> answers;  // by command
        bool effect = false, tombstone = false;
    };
    bool act(std::int64_t purchase, int step, const std::string& type);

    std::string prefix_;
    std::map<std::string, std::set<std::pair<int, std::int64_t>>> seen_;
    std::map<std::pair<std::int64_t, int>, Part> parts_;
    std::map<std::int64_t, int> done_;
    std::map<std::int64_t, std::vector<std::string>> commands_;
    std::vector<support::Record> records_;
};

class SagaFixture : public testing::Test {
protected:
    SagaFixture();

    support::Process relay() const;
    support::Process orchestrator(std::map<std::string, std::string> environment = {}) const;
    // Where it listens; waits for that.
    static std::string address(support::Process& orchestrator);

    std::string topic(const std::string& aggregate) const { return prefix_ + aggregate; }
    void purchase(const std::vector<std::int64_t>& ids) const;
    // Answers in place of a participant; returns the event's id.
    std::string reply(std::int64_t id, const std::string& command, bool success) const;

    // Lets the participants work until it holds; false when it does not in time.
    bool works_until(const std::function<bool()>& condition);
    void work_until(const std::string& what, const std::function<bool()>& condition);

    template <class Value>
    Value ask(const std::string& query) const {
        pqxx::connection connection{database_.dsn()};
        return pqxx::nontransaction{connection}.query_value<Value>(query);
    }
    std::string state(std::int64_t id) const;
    int asked(std::int64_t id, const std::string& command) const;  // how often
    void expire(std::int64_t id) const;  // what it waits for does not come in time
    int running() const;                 // sagas that have not ended
    // What purchase-result says of it: "STATUS STEP", and " =true" or " =false" at the end.
    std::vector<std::string> results(std::int64_t id) const;

    support::Database database_{{"outbox", "orchestrator"}};
    std::string prefix_ = support::unique_name("saga") + ".";
    Participants participants_{prefix_};
};

}  // namespace saga_test

// A database with an outbox, a topic, and the relay as a process.
#pragma once

#include <gtest/gtest.h>
#include <httplib.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <map>
#include <pqxx/pqxx>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "support/database.hpp"
#include "support/kafka.hpp"
#include "support/process.hpp"
#include "support/wait.hpp"

namespace integration {

using namespace std::chrono_literals;

class Relay : public testing::Test {
protected:
    support::Process start(std::vector<std::string> more = {},
                           const std::map<std::string, std::string>& env = {}) {
        std::vector<std::string> argv{support::bin("postroom").string(),
                                      "relay",
                                      "--database-dsn",
                                      database_.dsn("postroom_relay"),
                                      "--kafka-brokers",
                                      support::kafka(),
                                      "--admin-listen",
                                      "127.0.0.1:0",
                                      "--relay-lease-ms",
                                      "1000"};
        argv.insert(argv.end(), more.begin(), more.end());
        return support::Process{{.argv = argv, .env = env}};
    }
    void run_until_drained(std::vector<std::string> more = {}) {
        more.insert(more.end(), {"--relay-stop-when-drained", "true"});
        auto process = start(more);
        ASSERT_EQ(process.wait(30s), 0) << process.output();
    }
    std::string append(pqxx::transaction_base& tx, const std::string& key,
                       const std::string& type) {
        return tx
            .exec("select outbox.append($1, $2, $3, '{}')", pqxx::params{aggregate_, key, type})
            .one_field()
            .as<std::string>();
    }
    std::string append(const std::string& key, const std::string& type) {
        pqxx::connection connection{database_.dsn("postroom_service")};
        pqxx::work tx{connection};
        auto id = append(tx, key, type);
        tx.commit();
        return id;
    }
    std::vector<support::Record> log() const { return support::read_topic(topic_); }
    std::vector<std::string> types() const {
        std::vector<std::string> all;
        for (const auto& record : log()) all.push_back(record.headers.at("type"));
        return all;
    }
    // Ends it as an operator would, with everything recorded.
    static void stop(support::Process& process) {
        process.signal(SIGTERM);
        EXPECT_EQ(process.wait(30s), 0) << process.output();
    }
    template <typename T>
    T query(const std::string& sql) const {
        pqxx::connection connection{database_.dsn()};
        pqxx::nontransaction tx{connection};
        return tx.exec(sql).one_field().as<T>();
    }
    static int port(const support::Process& process) {
        support::eventually(10s, "the admin port in the log", [&] {
            return process.output().find("admin on http://127.0.0.1:") != std::string::npos;
        });
        const auto text = process.output();
        return std::stoi(text.substr(text.find("admin on http://127.0.0.1:") + 26));
    }

    support::Database database_;
    std::string aggregate_ = support::unique_name("relay");
    std::string topic_ = "outbox.event." + aggregate_;
};

}  // namespace integration

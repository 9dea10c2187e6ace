// What `postroom rebase --dry-run` says of each event, for a comparison with what is so.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <nlohmann/json.hpp>
#include <pqxx/pqxx>
#include <set>
#include <string>
#include <vector>

#include "chaos/stage.hpp"

namespace chaos {

using Ids = std::set<std::string>;

struct RebaseReport {
    nlohmann::json counts;
    std::map<std::string, Ids> events;  // by outcome: repeated, skipped, missing, unknown

    Ids operator[](const std::string& outcome) const {
        const auto found = events.find(outcome);
        return found == events.end() ? Ids{} : found->second;
    }
};

inline RebaseReport report_rebase(const Stage& stage, const std::string& dsn,
                                  const std::string& from, bool with_kafka = true) {
    std::map<std::string, std::string> env{
        {"POSTROOM_DSN", dsn}, {"POSTROOM_KAFKA_TOPIC", stage.topic_prefix() + "{aggregatetype}"}};
    if (with_kafka) env["POSTROOM_KAFKA_BROKERS"] = support::kafka();
    support::Process command{{.argv = {support::bin("postroom"), "rebase", "--shard", "0", "--from",
                                       from, "--dry-run", "-o", "json"},
                              .env = env}};
    EXPECT_EQ(command.wait(std::chrono::seconds{60}), 0) << command.output();
    RebaseReport report{.counts = nlohmann::json::parse(command.output())[0], .events = {}};
    for (const auto& event : report.counts["events"])
        EXPECT_TRUE(report.events[event["outcome"]].insert(event["id"]).second) << event;
    report.counts.erase("events");
    for (const auto* outcome : {"repeated", "skipped", "missing", "unknown"})
        if (!report.counts[outcome].is_null()) {
            EXPECT_EQ(report.counts[outcome], report[outcome].size()) << outcome;
        }
    return report;
}

inline Ids ids_here(const std::string& dsn, const std::string& where = "true") {
    Ids ids;
    pqxx::connection connection{dsn};
    for (const auto& [id] : pqxx::nontransaction{connection}.query<std::string>(
             "select id::text from outbox.event where " + where))
        ids.insert(id);
    return ids;
}

// Those that are in the log so often at least.
inline Ids ids_in_log(const Stage& stage, int least = 1) {
    std::map<std::string, int> times;
    for (const auto& record : stage.log()) ++times[record.headers.at("id")];
    Ids ids;
    for (const auto& [id, count] : times)
        if (count >= least) ids.insert(id);
    return ids;
}

inline Ids minus(const Ids& from, const Ids& those) {
    Ids rest;
    std::ranges::set_difference(from, those, std::inserter(rest, rest.end()));
    return rest;
}

}  // namespace chaos

// The relay's fixture, with the operator's command line.
#pragma once

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "integration/relay_fixture.hpp"

namespace integration {

class Operator : public Relay {
protected:
    struct Answer {
        int code;
        std::string text;  // of stdout and stderr
        nlohmann::json json() const { return nlohmann::json::parse(text); }
    };

    Answer postroom(std::vector<std::string> command,
                    const std::string& role = "postroom_operator") {
        command.insert(command.begin(), support::bin("postroom").string());
        support::Process process{{.argv = command, .env = {{"POSTROOM_DSN", database_.dsn(role)}}}};
        const int status = process.wait(60s);
        return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, process.output()};
    }
    // The rows that a command gives as JSON.
    nlohmann::json rows(std::vector<std::string> command) {
        command.insert(command.end(), {"-o", "json"});
        const auto answer = postroom(std::move(command));
        EXPECT_NE(answer.code, 1) << answer.text;
        return answer.json();
    }
    void do_it(std::vector<std::string> command) {
        const auto answer = postroom(std::move(command));
        EXPECT_EQ(answer.code, 0) << answer.text;
    }
    void expect_refusal(std::vector<std::string> command, const std::string& part) {
        const auto answer = postroom(std::move(command));
        EXPECT_EQ(answer.code, 1) << answer.text;
        EXPECT_THAT(answer.text, testing::HasSubstr(part));
    }

    // A relay that must not make topics, so that an event without one is dead until there is.
    support::Process start_strict() { return start({"--kafka-create-topics", "false"}); }
    void await_count(int count, const std::string& sql) {
        support::eventually(30s, std::to_string(count) + " of " + sql,
                            [&] { return query<int>("select count(*) from " + sql) == count; });
    }
    // As consumers see it: without what a crash repeats.
    std::vector<std::string> first_occurrences() const {
        std::vector<std::string> all;
        for (const auto& type : types())
            if (std::ranges::find(all, type) == all.end()) all.push_back(type);
        return all;
    }
    nlohmann::json actions() {
        auto all = nlohmann::json::array();
        for (const auto& line : rows({"audit"})) all.push_back(line["action"]);
        return all;
    }
};

}  // namespace integration

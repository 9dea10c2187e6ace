// /admin on the relay's port: who is let in, what it answers, and what it never tells.
#include <filesystem>
#include <fstream>

#include "integration/operate_fixture.hpp"

namespace integration {

using testing::HasSubstr;
using testing::Not;

class AdminApi : public Operator {
protected:
    static constexpr auto token = "canary-token-0123456789";

    support::Process with_token(std::vector<std::string> more = {}) {
        more.insert(more.end(), {"--admin-token", token});
        return start(more);
    }
    support::Process operating() {
        return with_token({"--admin-dsn", database_.dsn("postroom_operator")});
    }
    static httplib::Client client(const support::Process& process, const std::string& by = token) {
        httplib::Client made{"127.0.0.1", port(process)};
        made.set_read_timeout(20s);
        if (!by.empty()) made.set_bearer_token_auth(by);
        return made;
    }
    static void expect_problem(const httplib::Result& answer, int status, const std::string& part) {
        ASSERT_TRUE(answer);
        EXPECT_EQ(answer->status, status) << answer->body;
        EXPECT_EQ(answer->get_header_value("Content-Type"), "application/problem+json");
        const auto problem = nlohmann::json::parse(answer->body);
        EXPECT_EQ(problem["status"], status);
        EXPECT_THAT(problem["detail"].get<std::string>(), HasSubstr(part));
    }
    static nlohmann::json json(const httplib::Result& answer) {
        EXPECT_TRUE(answer);
        EXPECT_EQ(answer->status, 200) << answer->body;
        return nlohmann::json::parse(answer->body);
    }
    static httplib::Result pause(httplib::Client& by, const std::string& body) {
        return by.Post("/admin/pause", body, "application/json");
    }
};

TEST_F(AdminApi, IsOffWithoutATokenAndSaysWhatToSet) {
    auto process = start();
    auto anybody = client(process, "");
    expect_problem(anybody.Get("/admin/status"), 403, "admin.token_file");
    expect_problem(anybody.Post("/admin/pause"), 403, "admin.token_file");
    auto empty = client(process, " ");
    expect_problem(empty.Get("/admin/status"), 403, "admin.token_file");
    EXPECT_EQ(anybody.Get("/livez")->status, 200);
}

TEST_F(AdminApi, AsksForTheTokenOnEveryPath) {
    auto process = with_token();
    for (const std::string wrong :
         {"", "wrong", "canary-token-012345678", "canary-token-01234567890"})
        for (const auto* path : {"/admin", "/admin/status", "/admin/no-such"}) {
            auto by = client(process, wrong);
            expect_problem(by.Get(path), 401, "Authorization: Bearer");
            expect_problem(by.Post(path), 401, "Authorization: Bearer");
        }
    auto known = client(process);
    expect_problem(known.Get("/admin/no-such"), 404, "README");
    EXPECT_EQ(known.Get("/admin/status")->status, 200);
    EXPECT_EQ(client(process, "").Get("/metrics")->status, 200);
}

TEST_F(AdminApi, ShowsWhatTheCommandsShow) {
    auto process = with_token();
    auto admin = client(process);
    support::eventually(20s, "the relay to lead",
                        [&] { return admin.Get("/readyz")->body == "leading\n"; });
    do_it({"pause", "--reason", "to look"});
    support::eventually(20s, "the pause", [&] { return admin.Get("/readyz")->body == "paused\n"; });
    const auto id = append("k", "Waiting");
    append("k", "Next");
    const auto status = json(admin.Get("/admin/status"));
    ASSERT_EQ(status.size(), 1U);
    EXPECT_EQ(status[0]["pending"], 2);
    EXPECT_EQ(status[0]["paused"], true);
    const auto pending = json(admin.Get("/admin/pending?limit=1"));
    ASSERT_EQ(pending.size(), 1U);
    EXPECT_EQ(pending[0]["id"], id);
    EXPECT_EQ(pending[0]["key"], "k");
    EXPECT_THAT(json(admin.Get("/admin/explain?patience=0")).dump(), HasSubstr("to look"));
    expect_problem(admin.Get("/admin/pending?limit=1;drop"), 400, "limit must be an integer");
    expect_problem(admin.Get("/admin/explain?patience=-1"), 400, "patience must be an integer");
}

TEST_F(AdminApi, PausesAndResumesAndLeavesATrace) {
    auto process = operating();
    auto admin = client(process);
    append("k", "Before");
    support::eventually(20s, "an event", [&] { return admin.Get("/readyz")->body == "leading\n"; });
    const auto paused = json(pause(admin, R"({"reason": "an upgrade", "shard": 0})"));
    EXPECT_EQ(paused[0]["action"], "pause");
    support::eventually(20s, "the pause", [&] { return admin.Get("/readyz")->body == "paused\n"; });
    EXPECT_EQ(json(admin.Post("/admin/resume"))[0]["action"], "resume");
    support::eventually(20s, "the end of the pause",
                        [&] { return admin.Get("/readyz")->body == "leading\n"; });
    expect_problem(admin.Post("/admin/resume"), 409, "nothing is paused");
    expect_problem(pause(admin, R"({"reason": "x", "shard": 77})"), 404, "there is no shard 77");
    for (const auto* wrong : {"", "[]", "{", "{}", R"({"reason": 1})", R"({"raeson": "x"})",
                              R"({"reason": "x", "shard": -1})"})
        EXPECT_EQ(pause(admin, wrong)->status, 400) << wrong;
    EXPECT_EQ(pause(admin, R"({"reason": ")" + std::string(2000, 'x') + "\"}")->status, 413);
    EXPECT_EQ(admin.Post("/admin/drain")->status, 200);
    await_count(1, "outbox.paused where upto is not null and stopped_at is not null");
    EXPECT_EQ(admin.Post("/admin/resume")->status, 200);
    EXPECT_EQ(query<int>("select count(*) from outbox.audit where detail ->> 'via' = 'admin http' "
                         "and actor = 'test_postroom_operator'"),
              4);
    do_it({"pause", "--reason", "by hand"});
    expect_problem(admin.Post("/admin/drain"), 409, "cannot be drained");
    EXPECT_EQ(query<int>("select count(*) from outbox.audit "
                         "where detail ->> 'via' = 'postroom operate'"),
              1);
}

TEST_F(AdminApi, GetsNoRightsThatTheRelaysRoleHasNot) {
    auto process = with_token();
    auto admin = client(process);
    support::eventually(20s, "the relay to lead",
                        [&] { return admin.Get("/readyz")->body == "leading\n"; });
    expect_problem(pause(admin, R"({"reason": "x"})"), 403, "admin.dsn_file");
    expect_problem(admin.Post("/admin/resume"), 403, "postroom_operator");
    EXPECT_EQ(query<int>("select count(*) from outbox.paused"), 0);
}

TEST_F(AdminApi, LetsNoSlowRequestHoldUpAProbe) {
    auto process = operating();
    auto admin = client(process);
    EXPECT_EQ(admin.Get("/admin/status")->status, 200);
    pqxx::connection connection{database_.dsn()};
    pqxx::work lock{connection};
    lock.exec("lock table outbox.paused in access exclusive mode");
    std::vector<int> codes(6);
    {
        std::vector<std::jthread> callers;
        for (auto& code : codes)
            callers.emplace_back([&] { code = client(process).Get("/admin/status")->status; });
        support::eventually(10s, "a request that waits", [&] {
            return query<int>(
                       "select count(*) from pg_stat_activity where wait_event_type = 'Lock' "
                       "and application_name = 'admin http' "
                       "and datname = current_database()") == 1;
        });
        EXPECT_EQ(client(process, "").Get("/livez")->status, 200);
    }
    EXPECT_GE(std::ranges::count(codes, 504), 1) << testing::PrintToString(codes);
    EXPECT_GE(std::ranges::count(codes, 503), 1) << testing::PrintToString(codes);
}

TEST_F(AdminApi, TellsNeitherTokenNorPassword) {
    const auto file = std::filesystem::temp_directory_path() / support::unique_name("token");
    std::ofstream{file} << token << '\n';
    const std::vector<std::string> secrets{
        "--admin-token-file",
        file.string(),
        "--admin-dsn",
        "host=127.0.0.1 port=1 dbname=none user=nobody password=canary-password",
        "--log-level",
        "debug"};
    std::string told;
    {
        auto process = start(secrets);
        auto admin = client(process);
        for (const auto& answer :
             {admin.Get("/admin/status"), pause(admin, R"({"reason": "x"})"),
              client(process, "canary-wrong-token").Get("/admin/status"), admin.Get("/metrics")}) {
            ASSERT_TRUE(answer);
            told += answer->body;
        }
        expect_problem(admin.Get("/admin/status"), 503, "PostgreSQL is not reached");
        told += process.output();
    }
    std::filesystem::remove(file);
    for (const auto* command : {"print", "check"}) {
        std::vector<std::string> argv{support::bin("postroom").string(), "config", command,
                                      "--admin-token", token};
        argv.insert(argv.end(), secrets.begin() + 2, secrets.end());
        support::Process process{{.argv = argv}};
        process.wait(20s);
        told += process.output();
    }
    EXPECT_THAT(told, HasSubstr("gave no token or a wrong one"));
    EXPECT_THAT(told, HasSubstr("<redacted>"));
    EXPECT_THAT(told, Not(HasSubstr("canary")));
}

}  // namespace integration

#include <gmock/gmock.h>

#include <format>

#include "integration/raw_http.hpp"
#include "integration/saga_fixture.hpp"
#include "support/environment.hpp"
#include "support/wait.hpp"

namespace saga_test {
namespace {

using nlohmann::json;
using std::chrono::seconds;
using support::eventually;
using support::request;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr auto token = "an operator's token";

using Orchestrator = SagaFixture;

TEST_F(Orchestrator, CompletesAPurchaseStepByStepInOneTrace) {
    const auto publishing = relay();
    const auto shop = orchestrator();
    purchase({7});
    work_until("the purchase to end", [&] { return state(7) == "COMPLETED"; });
    EXPECT_THAT(participants_.commands(7),
                ElementsAre("UpdateProductInventory", "CreateOrder", "CreatePayment"));
    EXPECT_EQ(participants_.effects(7), (std::set{0, 1, 2}));
    eventually(seconds{20}, "all results", [&] { return results(7).size() == 6; });
    EXPECT_THAT(results(7), ElementsAre("EXECUTE 0", "SUCCESS 0", "EXECUTE 1", "SUCCESS 1",
                                        "EXECUTE 2", "SUCCESS 2 =true"));
    for (const auto& record : participants_.records()) {
        EXPECT_THAT(record.headers.at("traceparent"),
                    HasSubstr("4bf92f3577b34da6a3ce929d0e0e4736"));
        EXPECT_EQ(record.headers.at("correlation-id"), "cart-17");
    }
    EXPECT_EQ(ask<int>("select count(*) from saga.step where saga_id = 7 and event_id is not null "
                       "and traceparent like '00-4bf92f3577b34da6a3ce929d0e0e4736-%'"),
              4);
}

TEST_F(Orchestrator, TakesBackInReverseWhatWasDoneBeforeARefusal) {
    const auto publishing = relay();
    const auto shop = orchestrator();
    participants_.refuse = {{7, 2}, {8, 0}};
    purchase({7, 8});
    work_until("the purchases to end",
               [&] { return state(7) == "COMPENSATED" && state(8) == "COMPENSATED"; });
    EXPECT_THAT(participants_.commands(7),
                ElementsAre("UpdateProductInventory", "CreateOrder", "CreatePayment",
                            "RollbackOrder", "RollbackProductInventory"));
    EXPECT_TRUE(participants_.effects(7).empty());
    EXPECT_THAT(participants_.commands(8), ElementsAre("UpdateProductInventory"));
    eventually(seconds{20}, "all results",
               [&] { return results(7).size() == 8 && results(8).size() == 2; });
    EXPECT_THAT(results(7),
                ElementsAre("EXECUTE 0", "SUCCESS 0", "EXECUTE 1", "SUCCESS 1", "EXECUTE 2",
                            "FAILED 2", "ROLLBACK 1", "ROLLBACK 0 =false"));
    EXPECT_THAT(results(8), ElementsAre("EXECUTE 0", "FAILED 0 =false"));
}

TEST_F(Orchestrator, AsksAgainWhenNoAnswerComesAndThenTakesTheStepBackToo) {
    const auto publishing = relay();
    const auto shop = orchestrator({{"SHOP_SAGA_STEP_TRIES", "2"}});
    participants_.deaf = {{7, "CreateOrder"}};
    purchase({7});
    for (const int times : {1, 2}) {
        work_until("the order to be asked for", [&] { return asked(7, "CreateOrder") == times; });
        expire(7);
    }
    work_until("the purchase to end", [&] { return state(7) == "COMPENSATED"; });
    EXPECT_THAT(participants_.commands(7),
                ElementsAre("UpdateProductInventory", "CreateOrder", "CreateOrder", "RollbackOrder",
                            "RollbackProductInventory"));
    EXPECT_TRUE(participants_.effects(7).empty());
    std::set<std::string> ids;
    for (const auto& record : participants_.records()) {
        ids.insert(record.headers.at("id"));
        EXPECT_EQ(record.headers.at("tracestate"), "rojo=1") << record.headers.at("type");
    }
    EXPECT_EQ(ids.size(), participants_.records().size()) << "each under an event id of its own";
    EXPECT_EQ(
        ask<int>("select count(*) from saga.step where input like 'time-out of CreateOrder%'"), 2);
    // The answer comes after all.
    const auto late = reply(7, "CreateOrder", true);
    eventually(seconds{20}, "the late answer in the log", [&] {
        return ask<int>(std::format("select count(*) from saga.step where event_id = '{}' "
                                    "and decision = 'not waited for: changes nothing'",
                                    late)) == 1;
    });
    EXPECT_EQ(state(7), "COMPENSATED");
}

TEST_F(Orchestrator, RecordsWhatComesTwiceOrForAnotherStepAndChangesNothing) {
    const auto publishing = relay();
    const auto shop = orchestrator();
    purchase({7});
    eventually(seconds{30}, "the saga", [&] { return state(7) == "EXECUTING"; });
    purchase({7});  // under another event id
    reply(7, "CreatePayment", false);
    reply(7, "RollbackProductInventory", true);
    work_until("the purchase to end", [&] { return state(7) == "COMPLETED"; });
    reply(7, "CreatePayment", false);
    reply(7, "UpdateProductInventory", true);
    eventually(seconds{20}, "all of it in the log", [&] {
        return ask<int>("select count(*) from saga.step where decision like '%changes nothing'") ==
               5;
    });
    EXPECT_EQ(state(7), "COMPLETED");
    EXPECT_EQ(participants_.commands(7).size(), 3U);
    // Nobody's saga, and nobody's command: parked, and nobody else waits.
    reply(8, "CreateOrder", true);
    reply(7, "DropOrders", true);
    eventually(seconds{20}, "the dead letters",
               [&] { return ask<int>("select count(*) from inbox.dead") == 2; });
}

class StuckSaga : public SagaFixture {
protected:
    const std::map<std::string, std::string> impatient_{{"SHOP_SAGA_COMPENSATION_TRIES", "1"},
                                                        {"SHOP_OPERATOR_TOKEN", token}};

    void get_stuck() {
        participants_.refuse = {{7, 1}};
        participants_.deaf = {{7, "RollbackProductInventory"}};
        purchase({7});
        work_until("the compensation", [&] { return asked(7, "RollbackProductInventory") == 1; });
        expire(7);
        work_until("the saga to be stuck",
                   [&] { return ask<int>("select count(*) from saga.stuck where id = 7") == 1; });
    }
    static support::Answer post(const std::string& address, const std::string& path,
                                const std::string& body, const std::string& bearer = token) {
        return request(
            address, "POST", path, body,
            {{"Content-Type", "application/json"}, {"Authorization", "Bearer " + bearer}});
    }
    static support::Answer get(const std::string& address, const std::string& path) {
        return request(address, "GET", path, {},
                       {{"Authorization", std::string{"Bearer "} + token}});
    }
};

TEST_F(StuckSaga, IsShownToPeopleAndEndedByAnOperatorOverHttp) {
    const auto publishing = relay();
    auto shop = orchestrator(impatient_);
    const auto at = address(shop);
    get_stuck();
    const auto stuck = json::parse(get(at, "/api/v1/sagas?state=stuck").body).at("sagas");
    ASSERT_EQ(stuck.size(), 1U);
    EXPECT_EQ(stuck[0].at("step"), "UPDATE_PRODUCT_INVENTORY");
    EXPECT_THAT(request(at, "GET", "/metrics").body,
                HasSubstr("orchestrator_sagas{state=\"STUCK\"} 1"));

    EXPECT_EQ(post(at, "/api/v1/sagas/7/retry", R"({"reason":"x"})", "no token").status, 401);
    EXPECT_EQ(request(at, "GET", "/api/v1/sagas/7").status, 401);
    EXPECT_EQ(post(at, "/api/v1/sagas/8/retry", R"({"reason":"x"})").status, 404);
    EXPECT_EQ(post(at, "/api/v1/sagas/7/retry", R"({"reason":" "})").status, 400);
    EXPECT_EQ(post(at, "/api/v1/sagas/7/compensate", R"({"reason":"x"})").status, 409);
    const auto wrong =
        post(at, "/api/v1/sagas/7/force", R"({"step":1,"outcome":"success","reason":"x"})");
    EXPECT_EQ(wrong.status, 409);
    EXPECT_THAT(wrong.body, HasSubstr("saga 7 is at UPDATE_PRODUCT_INVENTORY"));

    EXPECT_EQ(post(at, "/api/v1/sagas/7/retry", R"({"reason":"product is back"})").status, 202);
    work_until("the retry", [&] { return asked(7, "RollbackProductInventory") == 3; });
    eventually(seconds{20}, "the force to be taken", [&] {
        return post(at, "/api/v1/sagas/7/force",
                    R"({"step":0,"outcome":"success","reason":"restocked by hand"})")
                   .status == 202;
    });
    eventually(seconds{20}, "the end", [&] { return state(7) == "COMPENSATED"; });
    const auto saga = json::parse(get(at, "/api/v1/sagas/7").body);
    EXPECT_EQ(saga.at("state"), "COMPENSATED");
    EXPECT_THAT(saga.at("timeline").dump(),
                HasSubstr("operator: force UPDATE_PRODUCT_INVENTORY success: restocked by hand"));
    EXPECT_EQ(ask<std::string>("select string_agg(action || ' ' || via, ', ' order by n) "
                               "from saga.audit"),
              "retry http, force http");
    eventually(seconds{20}, "the last result",
               [&] { return results(7).back() == "ROLLBACK 0 =false"; });
    EXPECT_EQ(std::ranges::count(results(7), "ROLLBACK_FAILED 0"), 1) << "told once";
}

TEST_F(StuckSaga, IsEndedByAnOperatorInSqlAndByNobodyElse) {
    const auto publishing = relay();
    const auto shop = orchestrator(impatient_);
    get_stuck();
    constexpr auto force = "select saga.force(7, 0, true, 'restocked by hand')";
    pqxx::connection service{database_.dsn("shop_orchestrator")};
    EXPECT_THROW(pqxx::nontransaction{service}.exec(force), pqxx::insufficient_privilege);
    pqxx::connection person{database_.dsn("saga_operator")};
    EXPECT_THROW(pqxx::nontransaction{person}.exec("update saga.instance set deadline = null"),
                 pqxx::insufficient_privilege);
    pqxx::nontransaction{person}.exec(force);
    eventually(seconds{20}, "the end", [&] { return state(7) == "COMPENSATED"; });
    EXPECT_THROW(pqxx::nontransaction{person}.exec(force), pqxx::sql_error);
    const auto lines = pqxx::nontransaction{person}.exec("select * from saga.timeline(7)");
    EXPECT_THAT(lines.back()["decided"].as<std::string>(), HasSubstr("the end: failure"));
    EXPECT_EQ(ask<std::string>("select actor from saga.audit"), "test_saga_operator");
}

TEST_F(Orchestrator, HasNoRoutesForOperatorsWithoutATokenAndStartsWithNoWeakOne) {
    auto shop = orchestrator();
    const auto at = address(shop);
    for (const auto* path : {"/api/v1/sagas", "/api/v1/sagas/7", "/api/v1/sagas/7/retry"})
        EXPECT_EQ(request(at, "GET", path).status, 404) << path;
    auto weak = orchestrator({{"SHOP_OPERATOR_TOKEN", "short"}});
    EXPECT_NE(weak.wait(seconds{20}), 0);
    EXPECT_THAT(weak.output(), HasSubstr("must have 16 bytes or more"));
}

}  // namespace
}  // namespace saga_test

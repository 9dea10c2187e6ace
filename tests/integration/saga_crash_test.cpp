// Fault 30: the orchestrator is killed before and after each step, over and over.
#include <gmock/gmock.h>

#include <csignal>
#include <format>

#include "integration/saga_fixture.hpp"
#include "support/wait.hpp"

namespace saga_test {
namespace {

class SagaCrash : public SagaFixture {
protected:
    // Lives one after another, each killed at its first arrival at one of these points in turn,
    // until every purchase has ended; then a last one, which nobody kills. Returns the kills.
    int live_and_die(const std::vector<std::string>& points, int most_kills,
                     const std::map<std::string, std::string>& settings, int purchases) {
        const auto over = [&] {
            silence();
            return ask<int>("select count(*) from saga.instance where deadline is null") ==
                   purchases;
        };
        int kills = 0;
        for (; kills < most_kills && !over(); ++kills) {
            auto environment = settings;
            environment["POSTROOM_CRASH_AT"] =
                points.at(static_cast<std::size_t>(kills) % points.size());
            auto life = orchestrator(environment);
            if (!works_until([&] { return over() || !life.running(); })) {
                ADD_FAILURE() << "purchases without an end: " << running();
                return kills;
            }
            if (life.running()) break;
            const auto status = life.wait(std::chrono::seconds{1});
            EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) << life.output();
        }
        const auto life = orchestrator(settings);
        EXPECT_TRUE(works_until(over)) << "purchases without an end: " << running();
        // Whatever is still on its way comes too.
        works_until([&] { return ask<int>("select count(*) from outbox.event") == published(); });
        participants_.work();
        return kills;
    }
    // The answers of the deaf do not come in time.
    void silence() const {
        for (const auto& [id, command] : participants_.deaf) {
            const auto step = command == "UpdateProductInventory" ? 0 : 2;
            if (ask<bool>(std::format("select exists (select from saga.instance where id = {} and "
                                      "state = 'EXECUTING' and step = {})",
                                      id, step)))
                expire(id);
        }
    }
    int published() const {
        auto count = static_cast<int>(participants_.records().size());
        return count + static_cast<int>(support::read_topic(topic("purchase-result")).size());
    }

    void expect_one_end(std::int64_t id, bool success) {
        SCOPED_TRACE(id);
        EXPECT_EQ(state(id), success ? "COMPLETED" : "COMPENSATED");
        EXPECT_EQ(participants_.effects(id), success ? (std::set{0, 1, 2}) : std::set<int>{});
        const auto told = results(id);
        EXPECT_EQ(std::ranges::count_if(
                      told, [](const std::string& result) { return result.contains('='); }),
                  1);
        EXPECT_THAT(told.back(), testing::EndsWith(success ? "=true" : "=false"));
    }
};

TEST_F(SagaCrash, BeforeAndAfterEachReplyLeavesEveryPurchaseOneEnd) {
    const auto publishing = relay();
    participants_.refuse = {{2, 0}, {3, 1}, {4, 2}};
    purchase({1, 2, 3, 4});
    // The longest way has six steps, and each is died at twice.
    EXPECT_GE(live_and_die({"saga_before_commit", "after_commit"}, 14, {}, 4), 10);
    for (const std::int64_t id : {1, 2, 3, 4}) expect_one_end(id, id == 1);
    EXPECT_THAT(participants_.commands(4),
                testing::ElementsAre("UpdateProductInventory", "CreateOrder", "CreatePayment",
                                     "RollbackOrder", "RollbackProductInventory"));
}

TEST_F(SagaCrash, BeforeAndAfterEachTimeOutLeavesEveryPurchaseOneEnd) {
    const auto publishing = relay();
    participants_.deaf = {{1, "UpdateProductInventory"}, {2, "CreatePayment"}};
    purchase({1, 2});
    // Each of them is given up after one more try.
    const auto kills = live_and_die(
        {"saga_before_commit", "saga_after_sweep", "saga_before_transition", "saga_after_sweep"},
        12, {{"SHOP_SAGA_STEP_TRIES", "2"}}, 2);
    EXPECT_GE(kills, 4);
    expect_one_end(1, false);
    expect_one_end(2, false);
    EXPECT_GE(ask<int>("select count(*) from saga.step where input like 'time-out%'"), 4);
}

}  // namespace
}  // namespace saga_test

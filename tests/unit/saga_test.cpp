#include "domain/saga/saga.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <utility>

#include "domain/saga/saga_events.hpp"

namespace domain::saga {
namespace {

using std::chrono::milliseconds;

constexpr auto inventory = Step::update_product_inventory;
constexpr auto order = Step::create_order;
constexpr auto payment = Step::create_payment;
const Policy policy{.step_timeout = milliseconds{100},
                    .step_tries = 3,
                    .longest_pause = milliseconds{500},
                    .compensation_tries = 2};

// A saga, and what its last input led to.
struct Story {
    Decision last = begin(policy);

    Story& on(const Input& input) {
        last = transition(last.saga, input, policy);
        return *this;
    }
    Story& done(Step step) { return on(Reply{step, false, true}); }
    Story& refused(Step step) { return on(Reply{step, false, false}); }
    Story& rolled_back(Step step) { return on(Reply{step, true, true}); }
    Story& late(int times = 1) {
        for (int i = 0; i < times; ++i) on(TimedOut{});
        return *this;
    }
};

void expect(const Story& run, State state, const std::vector<Command>& commands,
            const std::vector<Result>& results) {
    EXPECT_EQ(run.last.saga.state, state);
    EXPECT_EQ(run.last.commands, commands);
    EXPECT_EQ(run.last.results, results);
}

TEST(Saga, AsksForEachStepInTurnAndCompletes) {
    Story run;
    expect(run, State::executing, {{inventory, false}}, {{Status::execute, inventory}});
    expect(run.done(inventory), State::executing, {{order, false}},
           {{Status::success, inventory}, {Status::execute, order}});
    expect(run.done(order), State::executing, {{payment, false}},
           {{Status::success, order}, {Status::execute, payment}});
    EXPECT_EQ(run.last.wait, policy.step_timeout);
    expect(run.done(payment), State::completed, {}, {{Status::success, payment, true}});
    EXPECT_FALSE(run.last.wait);
}

TEST(Saga, TakesBackWhatWasDoneBeforeARefusalInReverseAndWaitsForEach) {
    auto run = Story{}.done(inventory).done(order).refused(payment);
    expect(run, State::compensating, {{order, true}}, {{Status::failed, payment}});
    expect(run.rolled_back(order), State::compensating, {{inventory, true}},
           {{Status::rollback, order}});
    expect(run.rolled_back(inventory), State::compensated, {},
           {{Status::rollback, inventory, false}});
}

TEST(Saga, EndsAtOnceWhenTheFirstStepIsRefused) {
    expect(Story{}.refused(inventory), State::compensated, {},
           {{Status::failed, inventory, false}});
}

TEST(Saga, AsksAgainAFewTimesAndThenTakesBackTheStepItselfToo) {
    auto run = Story{}.done(inventory).late();
    expect(run, State::executing, {{order, false}}, {});
    EXPECT_EQ(run.last.wait, policy.step_timeout);
    expect(run.late(), State::executing, {{order, false}}, {});
    expect(run.late(), State::compensating, {{order, true}}, {{Status::failed, order}});
    expect(run.done(order), State::compensating, {}, {});
    expect(run.rolled_back(order), State::compensating, {{inventory, true}},
           {{Status::rollback, order}});
}

TEST(Saga, NeverGivesACompensationUpButTellsOnceThatItIsStuck) {
    auto run = Story{}.done(inventory).refused(order);
    EXPECT_EQ(run.last.wait, milliseconds{100});
    expect(run.on(Reply{inventory, true, false}), State::compensating, {}, {});
    EXPECT_FALSE(run.last.wait) << "a refusal must not move the deadline";
    expect(run.late(), State::compensating, {{inventory, true}}, {});
    EXPECT_EQ(run.last.wait, milliseconds{200});
    expect(run.late(), State::compensating, {{inventory, true}},
           {{Status::rollback_failed, inventory}});
    EXPECT_TRUE(run.last.saga.stuck);
    EXPECT_EQ(run.last.wait, milliseconds{400});
    expect(run.late(), State::compensating, {{inventory, true}}, {});
    EXPECT_EQ(run.last.wait, policy.longest_pause);
    run.late(100);
    EXPECT_EQ(run.last.wait, policy.longest_pause);
    run.rolled_back(inventory);
    EXPECT_EQ(run.last.saga.state, State::compensated);
    EXPECT_FALSE(run.last.saga.stuck);
}

TEST(Saga, ChangesNothingForWhatItDoesNotWaitFor) {
    for (const auto& reply :
         {Reply{inventory, false, true}, Reply{inventory, false, false},
          Reply{payment, false, true}, Reply{order, true, true}, Reply{inventory, true, true}}) {
        auto run = Story{}.done(inventory);
        const auto before = run.last.saga;
        run.on(reply);
        expect(run, State::executing, {}, {});
        EXPECT_EQ(run.last.saga, before);
        EXPECT_FALSE(run.last.wait);
    }
}

TEST(Saga, TakesBackAStepThatWasDoneAfterItWasRefused) {
    auto run = Story{}.done(inventory).refused(order).done(order);
    expect(run, State::compensating, {{order, true}}, {});
    run.rolled_back(order).rolled_back(inventory);
    EXPECT_EQ(run.last.saga.state, State::compensated);
    expect(run.done(payment), State::compensated, {{payment, true}}, {});
    expect(run.done(payment), State::compensated, {}, {});
}

TEST(Saga, DoesWhatAnOperatorWants) {
    auto run = Story{}.late().on(Retry{});
    expect(run, State::executing, {{inventory, false}}, {});
    EXPECT_EQ(run.last.saga.tries, 1);
    expect(run.on(Force{order, true}), State::executing, {}, {});
    expect(run.on(Force{inventory, true}), State::executing, {{order, false}},
           {{Status::success, inventory}, {Status::execute, order}});
    expect(run.on(Compensate{}), State::compensating, {{order, true}}, {{Status::failed, order}});
    expect(run.on(Compensate{}), State::compensating, {}, {});
    expect(run.on(Force{order, false}), State::compensating, {}, {});
    run.late(3);
    expect(run.on(Retry{}), State::compensating, {{order, true}}, {});
    EXPECT_TRUE(run.last.saga.stuck) << "until it succeeds";
    EXPECT_EQ(run.last.wait, policy.step_timeout);
    expect(run.on(Force{order, true}), State::compensating, {{inventory, true}},
           {{Status::rollback, order}});
    EXPECT_FALSE(run.last.saga.stuck);
    expect(Story{}.on(Force{inventory, false}), State::compensating, {{inventory, true}},
           {{Status::failed, inventory}});
}

// Of every saga that inputs can lead to, whatever they are: what must always hold.
TEST(Saga, KeepsItsInvariantsInEveryReachableState) {
    std::vector<Input> inputs{TimedOut{}, Retry{}, Compensate{}};
    for (const auto step : {inventory, order, payment}) {
        for (const bool yes : {false, true}) {
            inputs.emplace_back(Force{step, yes});
            for (const bool compensation : {false, true})
                inputs.emplace_back(Reply{step, compensation, yes});
        }
    }
    std::vector<Saga> reached{begin(policy).saga};
    for (std::size_t i = 0; i < reached.size(); ++i) {
        for (const auto& input : inputs) {
            const auto before = reached[i];
            const auto after = transition(before, input, policy);
            EXPECT_TRUE(!before.ended() || after.saga.state == before.state);
            EXPECT_LE(after.commands.size(), 1U);
            EXPECT_EQ(after.wait.has_value(), !after.commands.empty() && !after.saga.ended());
            const auto ends = std::ranges::count_if(
                after.results, [](const Result& result) { return result.success.has_value(); });
            EXPECT_EQ(ends, after.saga.ended() && !before.ended() ? 1 : 0);
            EXPECT_LE(std::to_underlying(after.saga.step),
                      after.saga.state == State::compensating ? after.saga.covered : steps - 1);
            if (after.saga.tries <= 6 && !std::ranges::contains(reached, after.saga))
                reached.push_back(after.saga);
        }
    }
    EXPECT_GT(reached.size(), 50U);
}

TEST(SagaEvents, TellWhatIsAskedForAndHowItGoes) {
    const auto now = Time{milliseconds{1'764'000'000'123}};
    EXPECT_EQ(command_json(PurchaseId{7}, R"({"order":{}})", now),
              R"({"version":1,"purchase_id":7,"purchase":{"order":{}},)"
              R"("timestamp":"2025-11-24T16:00:00.123Z"})");
    EXPECT_EQ(result_json(PurchaseId{7}, {Status::rollback, order}, now),
              R"({"purchase_id":7,"status":3,"step":1,"success":null,)"
              R"("timestamp":"2025-11-24T16:00:00.123Z","version":1})");
    EXPECT_EQ(result_json(PurchaseId{7}, {Status::success, payment, true}, now),
              R"({"purchase_id":7,"status":1,"step":2,"success":true,)"
              R"("timestamp":"2025-11-24T16:00:00.123Z","version":1})");
    EXPECT_EQ(aggregate_type({inventory, true}), "rollback-product-inventory");
}

TEST(SagaEvents, ReadPurchasesAndReplies) {
    const auto created = read_create_purchase(
        R"({"version":1,"purchase_id":7,"x":1,"purchase":{"order":{"customer_id":3,)"
        R"("order_items":[{"product_id":9007199254740993,"quantity":1}]},"payment":{}}})");
    ASSERT_TRUE(created) << created.error();
    EXPECT_EQ(created->id, PurchaseId{7});
    EXPECT_NE(created->purchase.find("9007199254740993"), std::string::npos);
    const auto answer =
        read_reply(R"({"version":1,"purchase_id":7,"success":false,"error_message":"sold out"})",
                   "RollbackOrder");
    ASSERT_TRUE(answer) << answer.error();
    EXPECT_EQ(answer->reply.step, order);
    EXPECT_TRUE(answer->reply.compensation);
    EXPECT_EQ(answer->error_message, "sold out");
}

TEST(SagaEvents, RefuseWhatIsNotTheEventItShouldBe) {
    for (const auto* wrong :
         {"", "[]", R"({"version":2})", R"({"version":1,"purchase_id":7})",
          R"({"version":1,"purchase_id":0,"purchase":{"order":{"customer_id":3,)"
          R"("order_items":[{}]},"payment":{}}})",
          R"({"version":1,"purchase_id":7,"purchase":{"order":{"customer_id":3,)"
          R"("order_items":[]},"payment":{}}})",
          R"({"version":1,"purchase_id":7,"purchase":{"order":[],"payment":{}}})"}) {
        EXPECT_FALSE(read_create_purchase(wrong)) << wrong;
    }
    EXPECT_FALSE(read_reply(R"({"version":1,"purchase_id":7,"success":true})", "DropTables"));
    EXPECT_FALSE(read_reply(R"({"version":1,"purchase_id":7,"success":1})", "CreateOrder"));
}

}  // namespace
}  // namespace domain::saga

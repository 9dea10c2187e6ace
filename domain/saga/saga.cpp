#include "domain/saga/saga.hpp"

#include <algorithm>
#include <utility>

namespace domain::saga {
namespace {

using std::chrono::milliseconds;

// Doubles from the step's time-out on, as long as it is below the longest.
milliseconds pause_after(int tries, const Policy& policy) {
    auto pause = policy.step_timeout;
    for (int i = 1; i < tries && pause < policy.longest_pause; ++i) pause *= 2;
    return std::min(pause, std::max(policy.longest_pause, policy.step_timeout));
}

void execute(Decision& decision, Step step, const Policy& policy) {
    decision.saga = {.state = State::executing, .step = step};
    decision.commands.push_back({step, false});
    decision.results.push_back({Status::execute, step});
    decision.wait = policy.step_timeout;
}

void compensate(Decision& decision, Step step, const Policy& policy) {
    auto& saga = decision.saga;
    saga = {.state = State::compensating, .step = step, .covered = saga.covered};
    decision.commands.push_back({step, true});
    decision.wait = pause_after(saga.tries, policy);
}

Decision unchanged(const Saga& saga, std::string_view why) { return {.saga = saga, .note = why}; }

Decision succeed(const Saga& saga, const Policy& policy) {
    Decision decision{.saga = saga, .note = "done"};
    if (saga.step == Step::create_payment) {
        decision.saga = {.state = State::completed, .step = saga.step};
        decision.results.push_back({Status::success, saga.step, true});
    } else {
        decision.results.push_back({Status::success, saga.step});
        execute(decision, Step{std::to_underlying(saga.step) + 1}, policy);
    }
    return decision;
}

// The step failed; what is to be taken back ends with `covered`.
Decision fail(const Saga& saga, int covered, std::string_view note, const Policy& policy) {
    Decision decision{.saga = saga, .note = note};
    decision.saga.covered = covered;
    if (covered < 0) {
        decision.saga.state = State::compensated;
        decision.results.push_back({Status::failed, saga.step, false});
    } else {
        decision.results.push_back({Status::failed, saga.step});
        compensate(decision, Step{covered}, policy);
    }
    return decision;
}

Decision give_up(const Saga& saga, std::string_view note, const Policy& policy) {
    return fail(saga, std::to_underlying(saga.step), note, policy);
}

Decision take_back(const Saga& saga, const Policy& policy) {
    Decision decision{.saga = saga, .note = "compensated"};
    if (saga.step == Step::update_product_inventory) {
        decision.saga.state = State::compensated;
        decision.saga.stuck = false;
        decision.results.push_back({Status::rollback, saga.step, false});
    } else {
        decision.results.push_back({Status::rollback, saga.step});
        compensate(decision, Step{std::to_underlying(saga.step) - 1}, policy);
    }
    return decision;
}

// A participant that refused has done it after all: nothing else would take that back.
Decision cover(const Saga& saga, Step step, const Policy& policy) {
    Decision decision{.saga = saga, .note = "done after all: taken back"};
    decision.saga.covered = std::to_underlying(step);
    if (saga.ended()) {
        decision.commands.push_back({step, true});
    } else {
        compensate(decision, step, policy);
    }
    return decision;
}

Decision ask_again(const Saga& saga, int tries, std::string_view note, const Policy& policy) {
    const bool compensation = saga.state == State::compensating;
    Decision decision{.saga = saga, .commands = {{saga.step, compensation}}, .note = note};
    decision.saga.tries = tries;
    decision.wait = compensation ? pause_after(tries, policy) : policy.step_timeout;
    return decision;
}

Decision on(const Saga& saga, const Reply& reply, const Policy& policy) {
    const bool awaited = !saga.ended() && reply.step == saga.step &&
                         reply.compensation == (saga.state == State::compensating);
    if (awaited && !reply.compensation) {
        if (reply.success) return succeed(saga, policy);
        return fail(saga, std::to_underlying(saga.step) - 1, "refused", policy);
    }
    if (awaited && reply.success) return take_back(saga, policy);
    if (awaited) return unchanged(saga, "compensation refused: tried again at its time");
    const bool taking_back = saga.state == State::compensating || saga.state == State::compensated;
    if (taking_back && !reply.compensation && reply.success &&
        std::to_underlying(reply.step) > saga.covered) {
        return cover(saga, reply.step, policy);
    }
    return unchanged(saga, "not waited for: changes nothing");
}

Decision on(const Saga& saga, const TimedOut&, const Policy& policy) {
    if (saga.ended()) return unchanged(saga, "has ended");
    if (saga.state == State::executing && saga.tries >= policy.step_tries)
        return give_up(saga, "given up", policy);
    auto decision = ask_again(saga, saga.tries + 1, "asked again", policy);
    if (saga.state == State::compensating && !saga.stuck &&
        saga.tries >= policy.compensation_tries) {
        decision.saga.stuck = true;
        decision.results.push_back({Status::rollback_failed, saga.step});
        decision.note = "stuck: a person must look";
    }
    return decision;
}

Decision on(const Saga& saga, const Retry&, const Policy& policy) {
    if (saga.ended()) return unchanged(saga, "has ended");
    return ask_again(saga, 1, "asked again", policy);
}

Decision on(const Saga& saga, const Compensate&, const Policy& policy) {
    if (saga.state != State::executing) return unchanged(saga, "not executing");
    return give_up(saga, "given up by an operator", policy);
}

Decision on(const Saga& saga, const Force& force, const Policy& policy) {
    if (saga.ended() || force.step != saga.step) return unchanged(saga, "not at this step");
    if (saga.state == State::executing) {
        return force.success ? succeed(saga, policy)
                             : give_up(saga, "given up by an operator", policy);
    }
    if (force.success) return take_back(saga, policy);
    return unchanged(saga, "a compensation is never given up");
}

}  // namespace

Decision begin(const Policy& policy) {
    Decision decision{.saga = {}, .note = "begun"};
    execute(decision, Step::update_product_inventory, policy);
    return decision;
}

Decision transition(const Saga& saga, const Input& input, const Policy& policy) {
    return std::visit([&](const auto& what) { return on(saga, what, policy); }, input);
}

}  // namespace domain::saga

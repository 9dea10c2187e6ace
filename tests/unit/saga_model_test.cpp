// A saga among participants that answer as they should, on a network that loses, repeats, delays
// and reorders everything, with time-outs at any moment. Replay a failure with POSTROOM_SEED.

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <format>
#include <random>
#include <string>
#include <utility>

#include "domain/saga/saga.hpp"

namespace domain::saga {
namespace {

// Idempotent by command: the first answer is the answer; a rollback leaves a tombstone.
struct Participant {
    bool refuses = false;
    std::optional<bool> answer{};
    bool effect = false, rolled_back = false;
    int effects = 0;

    bool execute() {
        if (!answer) {
            answer = !refuses && !rolled_back;
            effect = *answer;
            effects += *answer ? 1 : 0;
        }
        return *answer;
    }
    bool roll_back() {
        effect = false;
        return rolled_back = true;
    }
};

struct Faults {
    double lost, repeated, time_out;
};

class World {
public:
    explicit World(std::uint64_t seed) : dice_{seed} {
        for (auto& participant : participants_) participant.refuses = chance(0.2);
        for (auto& silent : silent_) silent = chance(0.1);
        faults_ = {chance(0.5) ? 0.3 : 0.0, chance(0.5) ? 0.3 : 0.0, chance(0.5) ? 0.2 : 0.02};
    }

    void run() {
        follow(begin(policy_));
        for (int turn = 0; turn < 200; ++turn) step();
        // Healed: nothing is lost or repeated, and time-outs come only when nothing is under way.
        faults_ = {0, 0, 0};
        silent_ = {};
        for (int turn = 0; turn < 2000 && !(saga_.ended() && network_.empty()); ++turn) step();
    }

    void check() {
        ASSERT_TRUE(saga_.ended());
        EXPECT_EQ(ends_, 1);
        const bool completed = saga_.state == State::completed;
        int highest_done = -1;
        for (int i = 0; i < steps; ++i) {
            const auto& participant = participants_.at(static_cast<std::size_t>(i));
            EXPECT_EQ(participant.effect, completed) << i;
            EXPECT_LE(participant.effects, 1) << i;
            if (participant.effects > 0) highest_done = i;
        }
        EXPECT_TRUE(!completed || compensated_.empty());
        // From the step that was given up, or the last one done before a refusal, down to 0.
        for (std::size_t i = 0; i < compensated_.size(); ++i)
            EXPECT_EQ(compensated_[i], compensated_[0] - static_cast<int>(i));
        if (!compensated_.empty()) {
            EXPECT_EQ(compensated_.back(), 0);
            EXPECT_GE(compensated_[0], highest_done);
            EXPECT_LE(compensated_[0], highest_asked_);
        }
        EXPECT_TRUE(completed || !compensated_.empty() || highest_done == -1);
    }

private:
    struct Letter {
        Command command;
        std::optional<bool> reply;  // absent: the command itself
    };

    bool chance(double probability) { return std::bernoulli_distribution{probability}(dice_); }

    void step() {
        if (!network_.empty() && !chance(faults_.time_out)) {
            deliver();
        } else if (!saga_.ended()) {
            follow(transition(saga_, TimedOut{}, policy_));
        }
    }

    void deliver() {
        std::uniform_int_distribution<std::size_t> any{0, network_.size() - 1};
        const auto at = network_.begin() + static_cast<std::ptrdiff_t>(any(dice_));
        const auto letter = *at;
        if (!chance(faults_.repeated)) network_.erase(at);
        if (chance(faults_.lost)) return;
        const auto& [command, reply] = letter;
        if (reply) {
            return follow(
                transition(saga_, Reply{command.step, command.compensation, *reply}, policy_));
        }
        const auto index = static_cast<std::size_t>(std::to_underlying(command.step));
        auto& participant = participants_.at(index);
        const bool answer = command.compensation ? participant.roll_back() : participant.execute();
        if (!silent_.at(index)) network_.push_back({command, answer});
    }

    void follow(const Decision& decision) {
        if (saga_.ended()) {
            EXPECT_EQ(decision.saga.state, saga_.state);
            EXPECT_TRUE(decision.results.empty());
        }
        saga_ = decision.saga;
        for (const auto& command : decision.commands) {
            const int step = std::to_underlying(command.step);
            if (!command.compensation) highest_asked_ = std::max(highest_asked_, step);
            if (command.compensation && (compensated_.empty() || compensated_.back() != step)) {
                // Each is waited for: the one above has answered.
                if (!compensated_.empty()) {
                    const auto above = static_cast<std::size_t>(compensated_.back());
                    EXPECT_TRUE(participants_.at(above).rolled_back);
                }
                compensated_.push_back(step);
            }
            network_.push_back({command, {}});
        }
        for (const auto& result : decision.results) ends_ += result.success.has_value() ? 1 : 0;
    }

    std::mt19937_64 dice_;
    Policy policy_{.step_tries = 3, .compensation_tries = 3};
    Saga saga_;
    std::array<Participant, steps> participants_;
    std::array<bool, steps> silent_{};
    Faults faults_{};
    std::vector<Letter> network_;
    std::vector<int> compensated_;
    int highest_asked_ = -1, ends_ = 0;
};

TEST(SagaModel, EveryPurchaseEndsOnceAndWhatWasDoneIsTakenBackInReverse) {
    const auto* const given = std::getenv("POSTROOM_SEED");
    const auto first = given != nullptr ? std::stoull(given) : std::random_device{}();
    const auto runs = given != nullptr ? 1U : 20'000U;
    for (std::uint64_t seed = first; seed < first + runs; ++seed) {
        SCOPED_TRACE(std::format("POSTROOM_SEED={}", seed));
        World world{seed};
        world.run();
        world.check();
        if (testing::Test::HasFailure()) return;
    }
}

}  // namespace
}  // namespace domain::saga

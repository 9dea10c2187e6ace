// A purchase's saga: which participant is asked for what, and what is taken back when one fails.
//
//   EXECUTING   0 ─► 1 ─► 2 ─────────────────────────────────► COMPLETED
//               └──── n refused, or given up ────┐
//   COMPENSATING      n-1 (n, if given up) … 0 ◄─┘ ─────────► COMPENSATED
//
// Both ends are final. One thing is asked for at a time and waited for; when no answer comes in
// time it is asked for again, as participants answer a repeated command as they did the first time.
// A step is given up after some tries, and then counts as perhaps done: its compensation is asked
// for too. A compensation is never given up: it is tried with growing pauses, and from some try on
// the saga is stuck, which tells people, until the compensation succeeds after all or an operator
// forces it.
//
// Pure values and decisions: no clock, no database.
#pragma once

#include <chrono>
#include <optional>
#include <string_view>
#include <tl/expected.hpp>
#include <variant>
#include <vector>

namespace domain::saga {

enum class State { executing, compensating, completed, compensated };
enum class Step { update_product_inventory, create_order, create_payment };
constexpr int steps = 3;

struct Saga {
    State state = State::executing;
    Step step = Step::update_product_inventory;  // that is asked for, or to be compensated
    int tries = 1;                               // how often it has been asked for
    int covered = -1;  // compensation takes back the steps up to this one; -1: none
    bool stuck = false;
    bool operator==(const Saga&) const = default;

    bool ended() const { return state == State::completed || state == State::compensated; }
};

struct Policy {
    std::chrono::milliseconds step_timeout{10'000};
    int step_tries = 3;                                // until a step is given up
    std::chrono::milliseconds longest_pause{600'000};  // between tries of a compensation
    int compensation_tries = 5;                        // until the saga is stuck
};

// What a participant answered.
struct Reply {
    Step step;
    bool compensation;
    bool success;
};
struct TimedOut {};
// What an operator wants.
struct Retry {};       // ask again now
struct Compensate {};  // give the step up
struct Force {         // go on as if the participant had answered so
    Step step;
    bool success;
};
using Input = std::variant<Reply, TimedOut, Retry, Compensate, Force>;

struct Command {
    Step step;
    bool compensation;
    bool operator==(const Command&) const = default;
};

enum class Status { execute, success, failed, rollback, rollback_failed };
struct Result {
    Status status;
    Step step;
    std::optional<bool> success{};  // of the purchase; absent while it is under way
    bool operator==(const Result&) const = default;
};

struct Decision {
    Saga saga;
    std::vector<Command> commands{};
    std::vector<Result> results{};
    // Until the next time-out. Absent: what was waited for before, or nothing if the saga ended.
    std::optional<std::chrono::milliseconds> wait{};
    std::string_view note{};  // for the log
};

Decision begin(const Policy& policy);
Decision transition(const Saga& saga, const Input& input, const Policy& policy);

}  // namespace domain::saga

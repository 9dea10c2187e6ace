#include "domain/saga/saga_service.hpp"

#include <exception>
#include <faults.hpp>
#include <format>
#include <outbox/append.hpp>
#include <set>
#include <utility>

#include "domain/transact.hpp"

namespace domain::saga {
namespace {

constexpr std::array step_names{"UPDATE_PRODUCT_INVENTORY", "CREATE_ORDER", "CREATE_PAYMENT"};
constexpr std::array status_names{"EXECUTE", "SUCCESS", "FAILED", "ROLLBACK", "ROLLBACK_FAILED"};

const char* name_of(Step step) { return step_names.at(std::to_underlying(step)); }

Command awaited(const Saga& saga) { return {saga.step, saga.state == State::compensating}; }

std::string describe(const Input& input, const Saga& saga) {
    if (std::holds_alternative<Retry>(input)) return "operator: retry";
    if (std::holds_alternative<Compensate>(input)) return "operator: compensate";
    if (const auto* force = std::get_if<Force>(&input)) {
        return std::format("operator: force {} {}", name_of(force->step),
                           force->success ? "success" : "failure");
    }
    return std::format("time-out of {}, try {}", event_type(awaited(saga)), saga.tries);
}

std::string describe(const Decision& decision) {
    std::string text{decision.note};
    for (const auto& [status, step, success] : decision.results) {
        text += std::format("; {} {}", status_names.at(std::to_underlying(status)), name_of(step));
        if (success) text += *success ? ", the end: success" : ", the end: failure";
    }
    return text;
}

// Commands, then results: one publication of all that the decision says.
std::vector<outbox::Event> events_of(const store::Row& row, const Decision& decision,
                                     const Trace& trace) {
    const auto key = std::to_string(row.id.value);
    const auto now = std::chrono::system_clock::now();
    std::vector<outbox::Event> events;
    events.reserve(decision.commands.size() + decision.results.size());
    for (const auto& command : decision.commands) {
        events.push_back({.aggregate_type = std::string{aggregate_type(command)},
                          .aggregate_id = key,
                          .type = std::string{event_type(command)},
                          .content = outbox::Json{command_json(row.id, row.purchase, now)},
                          .headers = trace.headers(),
                          .id = outbox::EventId::make()});
    }
    for (const auto& result : decision.results) {
        events.push_back({.aggregate_type = "purchase-result",
                          .aggregate_id = key,
                          .type = "PurchaseResult",
                          .content = outbox::Json{result_json(row.id, result, now)},
                          .headers = trace.headers(),
                          .id = outbox::EventId::make()});
    }
    return events;
}

std::map<std::string, double> by_step(const auto& counts) {
    std::map<std::string, double> named;
    for (std::size_t step = 0; step < counts.size(); ++step)
        named[step_names.at(step)] = static_cast<double>(counts.at(step));
    return named;
}

}  // namespace

// What the decisions of a transaction come to, which is then written at once.
struct SagaService::Moves {
    std::map<PurchaseId, store::Change> changes;
    std::vector<outbox::Event> events;
    std::vector<store::Entry> log;
};

tl::expected<void, Refusal> SagaService::hear(pqxx::transaction_base& tx,
                                              std::span<const Heard> all) {
    faults::crash_point("saga_before_transition");
    auto beginning = saga::begin(policy_);
    std::vector<store::Row> beginners;
    std::set<PurchaseId> ids;
    for (const auto& heard : all) {
        ids.insert(std::visit([](const auto& event) { return event.id; }, heard.event));
        if (const auto* event = std::get_if<CreatePurchase>(&heard.event))
            beginners.push_back({event->id, beginning.saga, event->purchase, heard.trace});
    }
    auto fresh = store::insert(tx, beginners, beginning.wait.value());
    beginning.wait.reset();  // as they are by now
    auto rows = store::lock(tx, ids);
    Moves moves;
    for (const auto& [event, id, trace] : all) {
        if (const auto* create = std::get_if<CreatePurchase>(&event)) {
            auto& row = rows.at(create->id);
            const bool is_new = fresh.erase(create->id) > 0;
            decide(moves, row,
                   is_new ? beginning
                          : Decision{.saga = row.saga, .note = "begun before: changes nothing"},
                   {create->id, "CreatePurchase", {}, id, trace});
            continue;
        }
        const auto& answer = std::get<Answer>(event);
        const auto row = rows.find(answer.id);
        if (row == rows.end()) {
            return tl::unexpected(Refusal{Refusal::Reason::unknown,
                                          std::format("there is no saga {}", answer.id.value)});
        }
        const auto& [step, compensation, success] = answer.reply;
        decide(moves, row->second, transition(row->second.saga, answer.reply, policy_),
               {answer.id,
                std::format("reply to {}: {}", event_type({step, compensation}),
                            success ? "success" : "failure"),
                answer.error_message, id, trace});
    }
    carry_out(tx, moves);
    return {};
}

bool SagaService::sweep_one(Pool& pool, std::vector<std::int64_t>& passed) {
    std::optional<std::int64_t> picked;
    const auto run = [&](pqxx::work& tx) {
        picked.reset();
        auto due = store::lock_due(tx, passed);
        if (!due) return false;
        auto& [row, input, reason] = *due;
        picked = row.id.value;
        faults::crash_point("saga_before_transition");
        const auto decision = transition(row.saga, input, policy_);
        if (std::holds_alternative<TimedOut>(input)) {
            ++time_outs_.at(std::to_underlying(row.saga.step));
        } else {
            store::finish_request(tx, row.id);
        }
        Moves moves;
        decide(moves, row, decision,
               {row.id, describe(input, row.saga), reason, std::nullopt, row.trace});
        carry_out(tx, moves);
        return true;
    };
    // A second run after an unknown outcome finds nothing due, or another saga.
    const auto pass = [&] {
        if (picked) passed.push_back(*picked);
    };
    try {
        const bool found = transact(pool, run, {.repeatable = true});
        pass();
        if (found) faults::crash_point("saga_after_sweep");
        return found;
    } catch (...) {
        pass();
        throw;
    }
}

int SagaService::sweep(Pool& pool, int limit) {
    std::vector<std::int64_t> passed;
    std::exception_ptr failure;
    for (bool more = true; more && std::cmp_less(passed.size(), limit);) {
        const auto before = passed.size();
        try {
            more = sweep_one(pool, passed);
        } catch (...) {
            failure = std::current_exception();
            more = passed.size() > before;  // else it was no saga's fault
        }
    }
    if (failure) std::rethrow_exception(failure);
    return static_cast<int>(passed.size());
}

void SagaService::decide(Moves& moves, store::Row& row, const Decision& decision,
                         store::Entry entry) {
    entry.decision = describe(decision);
    for (auto& event : events_of(row, decision, entry.trace)) {
        entry.sent.push_back(event.type);
        entry.sent_ids.push_back(event.id->to_string());
        moves.events.push_back(std::move(event));
    }
    moves.log.push_back(std::move(entry));
    for (const auto& [step, compensation] : decision.commands)
        if (compensation) ++compensations_.at(std::to_underlying(step));
    if (decision.saga.ended() && !row.saga.ended())
        ++(decision.saga.state == State::completed ? completed_ : compensated_);
    if (decision.saga == row.saga && !decision.wait) return;
    row.saga = decision.saga;
    auto& change = moves.changes.try_emplace(row.id, store::Change{row.id, {}, {}}).first->second;
    change.saga = decision.saga;
    if (decision.wait) change.wait = decision.wait;
}

void SagaService::carry_out(pqxx::transaction_base& tx, const Moves& moves) {
    std::vector<store::Change> changes;
    changes.reserve(moves.changes.size());
    for (const auto& [id, change] : moves.changes) changes.push_back(change);
    store::save(tx, changes);
    outbox::append(tx, moves.events);
    store::write(tx, moves.log);
    faults::crash_point("saga_before_commit");
}

std::map<std::string, double> SagaService::ends() const {
    return {{"COMPLETED", static_cast<double>(completed_)},
            {"COMPENSATED", static_cast<double>(compensated_)}};
}
std::map<std::string, double> SagaService::time_outs() const { return by_step(time_outs_); }
std::map<std::string, double> SagaService::compensations() const { return by_step(compensations_); }

}  // namespace domain::saga

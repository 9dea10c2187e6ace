// What moves sagas: events in the consumer's transaction, time-outs and operators' requests in
// those of the sweep. Each locks its sagas, decides, saves, logs and appends what the decisions ask
// for in that one transaction, so that a process may die at any point. Thread-safe.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <map>
#include <outbox/event.hpp>
#include <pqxx/transaction_base>
#include <span>
#include <string>
#include <tl/expected.hpp>
#include <variant>

#include "domain/pool.hpp"
#include "domain/refusal.hpp"
#include "domain/saga/saga_store.hpp"

namespace domain::saga {

class SagaService {
public:
    explicit SagaService(Policy policy) : policy_{policy} {}

    struct Heard {
        std::variant<CreatePurchase, Answer> event;
        outbox::EventId id;
        Trace trace;
    };
    // In their order: begins sagas, and moves them on. A purchase that has one already goes to its
    // log, and changes nothing. Refused, to be rolled back, when an answer has no saga.
    tl::expected<void, Refusal> hear(pqxx::transaction_base& tx, std::span<const Heard> all);

    // Does what is due, at most so many sagas, each in a transaction of its own; returns how many.
    // A saga that fails is passed over until the next sweep; then throws, after all others.
    int sweep(Pool& pool, int limit);

    // Decisions since the start; one whose transaction had to be repeated counts again.
    std::map<std::string, double> ends() const;           // by state
    std::map<std::string, double> time_outs() const;      // by step
    std::map<std::string, double> compensations() const;  // tries, by step

private:
    using PerStep = std::array<std::atomic<std::uint64_t>, steps>;

    bool sweep_one(Pool& pool, std::vector<std::int64_t>& passed);
    struct Moves;  // of a transaction
    void decide(Moves& moves, store::Row& row, const Decision& decision, store::Entry entry);
    static void carry_out(pqxx::transaction_base& tx, const Moves& moves);

    const Policy policy_;
    std::atomic<std::uint64_t> completed_{0}, compensated_{0};
    PerStep time_outs_{}, compensations_{};
};

}  // namespace domain::saga

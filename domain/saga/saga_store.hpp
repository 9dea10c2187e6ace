// SQL of the orchestrator. Every function works inside the caller's transaction.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <outbox/event.hpp>
#include <pqxx/transaction_base>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "domain/saga/saga_events.hpp"
#include "domain/trace.hpp"

namespace domain::saga::store {

struct Row {
    PurchaseId id;
    Saga saga;
    std::string purchase;
    Trace trace;  // of the purchase's creation
};

// Each call below takes any number of rows, and sends one statement for all of them.

// The new ones, waiting for so long; passes over those of purchases that have a saga already.
// Returns the ids of the inserted ones.
std::set<PurchaseId> insert(pqxx::transaction_base& tx, std::span<const Row> rows,
                            std::chrono::milliseconds wait);

// Those that there are, locked until the transaction ends.
std::map<PurchaseId, Row> lock(pqxx::transaction_base& tx, const std::set<PurchaseId>& ids);

// A saga, locked, for which an operator has asked for something, or whose time is over. None that
// somebody else has locked, nor any of those passed over.
struct Due {
    Row row;
    Input input;         // TimedOut, or what the operator wants
    std::string reason;  // the operator's
};
std::optional<Due> lock_due(pqxx::transaction_base& tx, const std::vector<std::int64_t>& passed);

// Saves what decisions have made of them: the saga, and until when it waits now, if that changed.
struct Change {
    PurchaseId id;
    Saga saga;
    std::optional<std::chrono::milliseconds> wait;
};
void save(pqxx::transaction_base& tx, std::span<const Change> changes);

// What the operator asked for is done.
void finish_request(pqxx::transaction_base& tx, PurchaseId id);

// A line of the log.
struct Entry {
    PurchaseId id;
    std::string input, detail;             // what happened
    std::optional<outbox::EventId> event;  // that came
    Trace trace;                           // of what was sent
    std::string decision{};
    std::vector<std::string> sent{}, sent_ids{};  // event types, and ids
};
void write(pqxx::transaction_base& tx, std::span<const Entry> entries);

}  // namespace domain::saga::store

// SQL of the orchestrator. Every function works inside the caller's transaction.
#pragma once

#include <cstdint>
#include <optional>
#include <outbox/event.hpp>
#include <pqxx/transaction_base>
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

// False, and nothing inserted, when there is a saga of this purchase already.
bool insert(pqxx::transaction_base& tx, const Row& row, std::chrono::milliseconds wait);

// Locks the row until the transaction ends.
std::optional<Row> lock(pqxx::transaction_base& tx, PurchaseId id);

// A saga, locked, for which an operator has asked for something, or whose time is over. None that
// somebody else has locked, nor any of those passed over.
struct Due {
    Row row;
    Input input;         // TimedOut, or what the operator wants
    std::string reason;  // the operator's
};
std::optional<Due> lock_due(pqxx::transaction_base& tx, const std::vector<std::int64_t>& passed);

// Saves what the decision changed.
void save(pqxx::transaction_base& tx, const Row& row, const Decision& decision);

// What the operator asked for is done.
void finish_request(pqxx::transaction_base& tx, PurchaseId id);

// A line of the log.
struct Entry {
    std::string input, detail;             // what happened
    std::optional<outbox::EventId> event;  // that came
    Trace trace;                           // of what was sent
    std::string decision{};
    std::vector<std::string> sent{}, sent_ids{};  // event types, and ids
};
void write(pqxx::transaction_base& tx, PurchaseId id, const Entry& entry);

}  // namespace domain::saga::store

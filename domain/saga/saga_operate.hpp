// What people see of sagas, and what operators may ask for: the views and functions of the schema
// saga, which check and record it. Whatever is asked for, the next sweep does. Thread-safe.
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <tl/expected.hpp>

#include "domain/ids.hpp"
#include "domain/pool.hpp"
#include "domain/refusal.hpp"
#include "domain/saga/saga.hpp"

namespace domain::saga {

// JSON: where the saga is, and its timeline.
std::optional<std::string> show(Pool& pool, PurchaseId id);

// JSON: the sagas that have not ended, or only those that are stuck, the oldest 500.
enum class Which { in_flight, stuck };
std::string list(Pool& pool, Which which);

// How many have not ended, by state, and how many of these are stuck.
std::map<std::string, double> count(Pool& pool);

// Of sagas that ended longer ago than that: nothing is known of them any more. At most so many;
// returns how many.
int forget(Pool& pool, std::chrono::days keep, int most);

// Returns the line of the audit as JSON. Needs the right to become saga_operator.
tl::expected<std::string, Refusal> retry(Pool& pool, PurchaseId id, const std::string& reason);
tl::expected<std::string, Refusal> compensate(Pool& pool, PurchaseId id, const std::string& reason);
tl::expected<std::string, Refusal> force(Pool& pool, PurchaseId id, const Force& outcome,
                                         const std::string& reason);

}  // namespace domain::saga

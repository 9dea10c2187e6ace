// Appends events to the caller's transaction: they exist if, and only if, it commits.
//
//   pqxx::work tx{connection};
//   tx.exec("update account set balance = balance - $1 where id = $2", pqxx::params{10, 7});
//   outbox::append(tx, {.aggregate_type = "account", .aggregate_id = "7", .type = "MoneyWithdrawn",
//                       .content = outbox::Json{R"({"amount": 10})"}});
//   tx.commit();
//
// Order: lock the aggregate's row (the UPDATE above does) before appending, and its events are
// published in the order of the commits. Needs role postroom_service. Errors: pqxx::sql_error for
// an event the schema refuses (a bad name, malformed JSON), as for any statement; the transaction
// is then to be rolled back. As thread-safe as the transaction: one thread at a time.
#pragma once

#include <functional>
#include <pqxx/transaction_base>
#include <span>
#include <vector>

#include "outbox/event.hpp"

namespace outbox {

// Returns the event's id, made here if the event had none. One round trip.
EventId append(pqxx::transaction_base& tx, const Event& event);

// Appends in the order given; one round trip for each 500 events.
std::vector<EventId> append(pqxx::transaction_base& tx, std::span<const Event> events);

// What every append of this process goes through from now on, in its own thread: for spans and
// measures. It may add headers; it calls the rest once, and lets through what that throws. For the
// start of a process, before the first append.
using AroundAppend = std::function<void(std::span<Event>, const std::function<void()>& append)>;
void around_append(AroundAppend around);

}  // namespace outbox

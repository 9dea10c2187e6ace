// Remembers what a consumer has applied, in the transaction of the effect.
//
//   pqxx::work tx{connection};
//   if (inbox::accept(tx, "statements", id)) apply(tx, event);
//   tx.commit();
#pragma once

#include <pqxx/transaction_base>
#include <string_view>

#include "outbox/event.hpp"

namespace inbox {

// True when the event is new to the consumer: apply it in this transaction. False when it was
// applied before, also by a transaction that runs at this moment: the call waits for that one to
// end. consumer is a stable name, the same in every process that shares the work; source says where
// the event came from, for people. Errors: pqxx::sql_error. One round trip.
bool accept(pqxx::transaction_base& tx, std::string_view consumer, const outbox::EventId& id,
            std::string_view source = "");

}  // namespace inbox

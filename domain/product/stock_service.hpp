// The saga's commands about stock, each in the consumer's transaction, which also gets the reply.
//
// Answered once a purchase: whatever event repeats a command gets the first answer again. A
// rollback gives back what is reserved, once; when it comes before its command, the command will be
// refused.
#pragma once

#include <pqxx/transaction_base>

#include "domain/product/product_events.hpp"
#include "domain/trace.hpp"

namespace domain::product {

void apply(pqxx::transaction_base& tx, const UpdateInventory& command, const Trace& trace);
void apply(pqxx::transaction_base& tx, const RollbackInventory& command, const Trace& trace);

}  // namespace domain::product

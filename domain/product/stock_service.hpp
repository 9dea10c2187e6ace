// The saga's commands about stock, each in the consumer's transaction, which also gets the reply.
//
// Answered once a purchase: whatever event repeats a command gets the first answer again. A
// rollback gives back what is reserved, once; when it comes before its command, the command will be
// refused.
#pragma once

#include <pqxx/transaction_base>
#include <vector>

#include "domain/participant.hpp"
#include "domain/product/product.hpp"

namespace domain::product {

void reserve(pqxx::transaction_base& tx, const std::vector<Line>& lines, const Command& command);
void roll_back(pqxx::transaction_base& tx, const Command& command);

}  // namespace domain::product

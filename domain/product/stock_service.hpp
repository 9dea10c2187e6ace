// The saga's commands about stock, in the consumer's transaction, which also gets the replies.
//
// Answered once a purchase: whatever event repeats a command gets the first answer again. A
// rollback gives back what is reserved, once; when it comes before its command, the command will be
// refused.
#pragma once

#include <pqxx/transaction_base>
#include <span>
#include <variant>
#include <vector>

#include "domain/participant.hpp"
#include "domain/product/product.hpp"

namespace domain::product {

struct Reserve {
    std::vector<Line> lines;
    Command command;
};
struct RollBack {
    Command command;
};
using StockInput = std::variant<Reserve, RollBack>;

// In their order. Returns what is left of the products whose stock has changed.
Quantities hear(pqxx::transaction_base& tx, std::span<const StockInput> inputs);

}  // namespace domain::product

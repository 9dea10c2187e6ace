// Dead letters of a consumer. Internal; thread-safe.
#pragma once

#include <optional>
#include <pqxx/transaction_base>
#include <string>

#include "delivery.hpp"

namespace outbox {

// Keeps a delivery, whole, in inbox.dead_letter; behind is the id of the event that it waits for.
// Once more for the same event counts only when it has been resolved meanwhile.
void park(pqxx::transaction_base& tx, const std::string& consumer, const Delivery& delivery,
          const std::string& error, const std::optional<std::string>& behind);

}  // namespace outbox

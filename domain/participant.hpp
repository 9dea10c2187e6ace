// What every participant of the purchase saga shares: the envelope of a command, and its Reply.
//
//   hears  {version, timestamp, purchase_id, purchase: PURCHASE}
//   says   Reply {version, timestamp, purchase_id, purchase, success, error_message}; its header
//          `handler` names the command that it answers
//
// PURCHASE travels as it came: each context reads of it what it needs, and answers it whole. A
// rollback needs none: whoever did the step knows what to take back.
#pragma once

#include <chrono>
#include <map>
#include <outbox/event.hpp>
#include <string>
#include <string_view>
#include <tl/expected.hpp>

#include "domain/ids.hpp"
#include "domain/refusal.hpp"

namespace domain {

struct Command {
    PurchaseId id;
    std::string type;      // CreateOrder, RollbackOrder, …
    std::string purchase;  // PURCHASE as JSON; null when the command has none
    std::map<std::string, std::string> headers;
};

// The error says what is wrong with the command.
tl::expected<Command, std::string> read_command(std::string type, std::string_view json,
                                                std::map<std::string, std::string> headers);

// The first outcome of a command is its answer for good.
outbox::Event reply(const Command& command, const tl::expected<void, Refusal>& outcome,
                    std::chrono::system_clock::time_point now = std::chrono::system_clock::now());

}  // namespace domain

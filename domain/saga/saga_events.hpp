// The events that the orchestrator speaks and hears, as JSON, version 1. Readers ignore fields that
// they do not know and refuse versions that they do not know.
//
//   hears  CreatePurchase  {version, purchase_id, purchase, …}
//          Reply           {version, purchase_id, success, error_message, …}, header handler: the
//                          type of the command that it answers
//   says   the commands    {version, purchase_id, purchase, timestamp}
//          PurchaseResult  {version, purchase_id, success, status, step, timestamp}
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <tl/expected.hpp>

#include "domain/ids.hpp"
#include "domain/saga/saga.hpp"

namespace domain::saga {

struct CreatePurchase {
    PurchaseId id;
    std::string purchase;  // JSON: carried, not understood
};
struct Answer {
    PurchaseId id;
    Reply reply;
    std::string error_message;
};

// The error says what is wrong with the event.
tl::expected<CreatePurchase, std::string> read_create_purchase(std::string_view json);
tl::expected<Answer, std::string> read_reply(std::string_view json, std::string_view handler);

std::string_view event_type(Command command);
std::string_view aggregate_type(Command command);  // the topic's name

using Time = std::chrono::system_clock::time_point;
std::string command_json(PurchaseId id, std::string_view purchase, Time now);
std::string result_json(PurchaseId id, const Result& result, Time now);

}  // namespace domain::saga

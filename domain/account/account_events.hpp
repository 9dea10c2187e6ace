// What the account service tells others. No event carries what a person wrote: Kafka keeps it for
// long, and whoever may know it can ask the service.
#pragma once

#include <string>
#include <string_view>

#include "domain/ids.hpp"

namespace domain::account {

std::string account_registered(CustomerId customer);

// part: personal or delivery.
std::string account_changed(CustomerId customer, std::string_view part);

}  // namespace domain::account

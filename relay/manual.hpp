// The program's manual page in roff. Pure.
#pragma once

#include <chrono>
#include <string>

#include "relay/command_tree.hpp"

namespace relay {

std::string manual(const Command& program, const std::string& version,
                   std::chrono::year_month_day date);

}  // namespace relay

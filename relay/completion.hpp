// Completion of the program's command line by bash and zsh. Pure.
#pragma once

#include <string>

#include "relay/command_tree.hpp"

namespace relay {

std::string bash_completion(const Command& program);
std::string zsh_completion(const Command& program);

}  // namespace relay

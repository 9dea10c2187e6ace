// Waiting on conditions. Tests never sleep: they say what they wait for, and how long at most.
#pragma once

#include <chrono>
#include <functional>
#include <string>

namespace support {

// Polls until the condition holds; throws "waited <limit> for <what>" when it does not in time.
void eventually(std::chrono::milliseconds limit, const std::string& what,
                const std::function<bool()>& condition);

}  // namespace support

// Waiting on conditions. Tests never sleep: they say what they wait for, and how long at most.
#pragma once

#include <chrono>
#include <functional>
#include <string>

namespace support {

// Polls until the condition holds; false when it does not in time.
bool happens_within(std::chrono::milliseconds limit, const std::function<bool()>& condition);

// The same, but throws "waited <limit> for <what>".
void eventually(std::chrono::milliseconds limit, const std::string& what,
                const std::function<bool()>& condition);

}  // namespace support

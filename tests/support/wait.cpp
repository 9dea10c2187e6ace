#include "support/wait.hpp"

#include <stdexcept>
#include <thread>

namespace support {

bool happens_within(std::chrono::milliseconds limit, const std::function<bool()>& condition) {
    constexpr std::chrono::milliseconds pause{10};
    const auto deadline = std::chrono::steady_clock::now() + limit;
    while (!condition()) {
        if (std::chrono::steady_clock::now() >= deadline) return false;
        std::this_thread::sleep_for(pause);
    }
    return true;
}

void eventually(std::chrono::milliseconds limit, const std::string& what,
                const std::function<bool()>& condition) {
    if (!happens_within(limit, condition)) {
        throw std::runtime_error{"waited " + std::to_string(limit.count()) + " ms for " + what};
    }
}

}  // namespace support

// Ids that sort by time, in Sonyflake's layout (github.com/sony/sonyflake):
//
//   39 bits: units of 10 ms since 2014-09-01 UTC | 8 bits: sequence | 16 bits: machine
//
// Unique while no two makers that are alive share a machine number. More than 256 ids in one unit
// borrow from the next, and a clock set back is waited out the same way, so calls never block and
// never go down. Thread-safe.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <mutex>

namespace domain {

class Sonyflake {
public:
    using Clock = std::function<std::chrono::system_clock::time_point()>;

    explicit Sonyflake(std::uint16_t machine, Clock now = std::chrono::system_clock::now);
    std::int64_t next();

    // From now on makes them with this number.
    void use(std::uint16_t machine);

private:
    const Clock now_;
    std::mutex mutex_;
    std::uint16_t machine_;
    std::int64_t tick_ = 0;
    std::int64_t sequence_ = 0;
};

}  // namespace domain

#include "domain/sonyflake.hpp"

namespace domain {

Sonyflake::Sonyflake(std::uint16_t machine, Clock now) : now_(std::move(now)), machine_(machine) {}

std::int64_t Sonyflake::next() {
    using Ticks = std::chrono::duration<std::int64_t, std::ratio<1, 100>>;
    constexpr std::chrono::sys_days start{std::chrono::year{2014} / 9 / 1};
    constexpr std::int64_t sequences = 256;

    const auto elapsed = std::chrono::floor<Ticks>(now_() - start).count();
    const std::scoped_lock lock(mutex_);
    if (elapsed > tick_) {
        tick_ = elapsed;
        sequence_ = 0;
    } else if (++sequence_ == sequences) {
        ++tick_;
        sequence_ = 0;
    }
    return tick_ << 24 | sequence_ << 16 | machine_;
}

void Sonyflake::use(std::uint16_t machine) {
    const std::scoped_lock lock(mutex_);
    machine_ = machine;
}

}  // namespace domain

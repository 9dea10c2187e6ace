// Wakes a poll(2): stop requests and a lost lease arrive from other threads. ring() is thread-safe.
#pragma once

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <chrono>
#include <stdexcept>

namespace relay {

class WakeUp {
public:
    WakeUp() : fd_{::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)} {
        if (fd_ < 0) throw std::runtime_error{"eventfd failed"};
    }
    ~WakeUp() { ::close(fd_); }
    WakeUp(const WakeUp&) = delete;
    WakeUp& operator=(const WakeUp&) = delete;
    void ring() const { ::eventfd_write(fd_, 1); }
    // Forgets the rings so far; for a loop that waits again.
    void clear() const {
        eventfd_t rings{};
        ::eventfd_read(fd_, &rings);
    }
    void wait(std::chrono::milliseconds limit) const {
        pollfd ring{fd_, POLLIN, 0};
        ::poll(&ring, 1, static_cast<int>(limit.count()));
    }
    int fd() const { return fd_; }

private:
    int fd_;
};

}  // namespace relay

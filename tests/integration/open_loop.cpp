#include "integration/open_loop.hpp"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "support/wait.hpp"

namespace support {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

// False once the connection has ended.
bool read_what_came(int socket, std::string& to) {
    std::array<char, 4096> part{};
    for (;;) {
        const auto size = ::recv(socket, part.data(), part.size(), MSG_DONTWAIT);
        if (size <= 0) return size < 0 && (errno == EAGAIN || errno == EINTR);
        to.append(part.data(), static_cast<std::size_t>(size));
    }
}

}  // namespace

OpenLoop::OpenLoop(std::string address, std::string bytes, std::size_t most)
    : address_(std::move(address)), bytes_(std::move(bytes)), most_(most) {}

OpenLoop::~OpenLoop() {
    for (const auto& client : waiting_) ::close(client.socket);
}

void OpenLoop::run(int rate, std::chrono::seconds time, const std::function<void()>& watch) {
    const auto start = Clock::now();
    for (std::int64_t sent = 0; sent < rate * time.count();) {
        const auto left =
            start + sent * Clock::duration{std::chrono::seconds{1}} / rate - Clock::now();
        if (left <= Clock::duration{} && waiting_.size() < most_) {
            send_one();
            ++sent;
        }
        watch();
        take_answers(
            std::clamp(std::chrono::ceil<milliseconds>(left), milliseconds{1}, milliseconds{10}));
    }
}

void OpenLoop::finish(milliseconds limit) {
    eventually(limit, "every client to be answered", [this] {
        take_answers(milliseconds{0});
        return waiting_.empty();
    });
}

void OpenLoop::send_one() {
    const int socket = connect_to(address_);
    waiting_.push_back({socket, {}});
    // Small enough for the socket's buffer. If the connection has ended already, reading tells.
    static_cast<void>(::send(socket, bytes_.data(), bytes_.size(), MSG_NOSIGNAL));
}

void OpenLoop::take_answers(milliseconds time) {
    std::vector<pollfd> polled;
    polled.reserve(waiting_.size());
    for (const auto& client : waiting_) polled.push_back({client.socket, POLLIN, 0});
    if (::poll(polled.data(), polled.size(), static_cast<int>(time.count())) <= 0) return;
    for (std::size_t i = polled.size(); i-- > 0;) {
        auto& client = waiting_[i];
        if (polled[i].revents == 0 || read_what_came(client.socket, client.read)) continue;
        answers_.push_back(parse_answer(client.read));
        ::close(client.socket);
        client = std::move(waiting_.back());
        waiting_.pop_back();
    }
}

}  // namespace support

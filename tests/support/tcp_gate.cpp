#include "support/tcp_gate.hpp"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <stdexcept>
#include <utility>
#include <vector>

namespace support {
namespace {

constexpr std::size_t most_waiting = 262'144;  // then the sender is kept waiting
constexpr int tick_ms = 2;

bool later(ssize_t result) { return result < 0 && (errno == EAGAIN || errno == EINTR); }

void break_off(const Descriptor& socket) {
    const linger at_once{.l_onoff = 1, .l_linger = 0};
    ::setsockopt(socket.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
}

}  // namespace

TcpGate::TcpGate(int target_port)
    : target_port_{target_port},
      listener_{tcp_socket(SOCK_NONBLOCK)},
      wake_up_{::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)},
      port_{free_port()} {
    const sockaddr_in address = loopback(port_);
    if (::bind(listener_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
        ::listen(listener_.get(), SOMAXCONN) != 0)
        throw std::runtime_error{"the gate cannot listen"};
    thread_ = std::jthread{[this](const std::stop_token& stop) { run(stop); }};
}

TcpGate::~TcpGate() {
    thread_.request_stop();
    ::eventfd_write(wake_up_.get(), 1);
}

void TcpGate::shape(const Shape& shape) {
    const std::lock_guard lock{mutex_};
    shape_ = shape;
}

void TcpGate::hold(Direction direction) {
    const std::lock_guard lock{mutex_};
    held_.at(static_cast<std::size_t>(direction)) = true;
}

void TcpGate::open() {
    {
        const std::lock_guard lock{mutex_};
        held_ = {};
        shape_ = {};
    }
    ::eventfd_write(wake_up_.get(), 1);
}

std::size_t TcpGate::held() const {
    const std::lock_guard lock{mutex_};
    std::size_t bytes = 0;
    for (const Connection& each : connections_)
        for (const Pipe& pipe : each.pipes) bytes += pipe.waiting;
    return bytes;
}

int TcpGate::reset() {
    const std::lock_guard lock{mutex_};
    for (const Connection& each : connections_) {
        break_off(each.client);
        break_off(each.server);
    }
    const auto broken = static_cast<int>(connections_.size());
    connections_.clear();
    return broken;
}

void TcpGate::run(const std::stop_token& stop) {
    while (!stop.stop_requested()) {
        std::vector<pollfd> fds{{listener_.get(), POLLIN, 0}, {wake_up_.get(), POLLIN, 0}};
        bool waiting = false;
        {
            const std::lock_guard lock{mutex_};
            for (const Connection& each : connections_) {
                for (const auto& [descriptor, pipe] :
                     {std::pair{&each.client, &each.pipes[0]}, {&each.server, &each.pipes[1]}}) {
                    const bool reads = !pipe->ended && pipe->waiting < most_waiting;
                    fds.push_back({reads ? descriptor->get() : -1, POLLIN, 0});
                    waiting = waiting || pipe->waiting > 0;
                }
            }
        }
        // Only a wake-up: by now a reset may have closed what it tells of.
        ::poll(fds.data(), fds.size(), waiting ? tick_ms : -1);
        eventfd_t ignored{};
        ::eventfd_read(wake_up_.get(), &ignored);
        const std::lock_guard lock{mutex_};
        admit();
        std::erase_if(connections_, [this](Connection& each) { return !serve(each); });
    }
}

void TcpGate::admit() {
    for (;;) {
        Descriptor client{
            ::accept4(listener_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC)};
        if (client.get() < 0) return;
        Descriptor server = tcp_socket();
        const sockaddr_in address = loopback(target_port_);
        if (::connect(server.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) !=
            0) {
            break_off(client);
            continue;
        }
        connections_.push_back({std::move(client), std::move(server), {}, Clock::now()});
    }
}

bool TcpGate::serve(Connection& connection) {
    const auto now = Clock::now();
    const auto elapsed = now - std::exchange(connection.served, now);
    const int client = connection.client.get();
    const int server = connection.server.get();
    return fill(connection.pipes[0], client) && fill(connection.pipes[1], server) &&
           drain(connection.pipes[0], server, elapsed, held_[0]) &&
           drain(connection.pipes[1], client, elapsed, held_[1]);
}

bool TcpGate::fill(Pipe& pipe, int from) {
    while (!pipe.ended && pipe.waiting < most_waiting) {
        std::string bytes(16'384, '\0');
        const ssize_t got = ::recv(from, bytes.data(), bytes.size(), MSG_DONTWAIT);
        if (later(got)) return true;
        if (got < 0) return false;
        pipe.ended = got == 0;
        bytes.resize(static_cast<std::size_t>(got));
        pipe.waiting += bytes.size();
        if (!bytes.empty())
            pipe.chunks.push_back({Clock::now() + shape_.latency, std::move(bytes)});
    }
    return true;
}

bool TcpGate::drain(Pipe& pipe, int to, Clock::duration elapsed, bool held) {
    const auto limit = static_cast<double>(shape_.bytes_per_second);
    // No more than a tenth of a second's worth saves itself up.
    pipe.allowance = std::min(
        pipe.allowance + limit * std::chrono::duration<double>(elapsed).count(), limit / 10);
    while (!held && !pipe.chunks.empty() && pipe.chunks.front().due <= Clock::now()) {
        auto& bytes = pipe.chunks.front().bytes;
        const std::size_t most =
            limit > 0 ? static_cast<std::size_t>(pipe.allowance) : bytes.size();
        if (most == 0) return true;
        const ssize_t sent =
            ::send(to, bytes.data(), std::min(most, bytes.size()), MSG_DONTWAIT | MSG_NOSIGNAL);
        if (later(sent)) return true;
        if (sent < 0) return false;
        if (limit > 0) pipe.allowance -= static_cast<double>(sent);
        pipe.waiting -= static_cast<std::size_t>(sent);
        bytes.erase(0, static_cast<std::size_t>(sent));
        if (bytes.empty()) pipe.chunks.pop_front();
    }
    return !(pipe.ended && pipe.chunks.empty());
}

}  // namespace support

#include "http/connection.hpp"

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "faults.hpp"

namespace http {
namespace {

// How soon an idle connection notices that the server stops, or that others wait.
constexpr std::chrono::milliseconds glance{20};

void name_of(const sockaddr_storage& address, std::string& ip, int& port) {
    std::array<char, INET6_ADDRSTRLEN> text{};
    if (address.ss_family == AF_INET) {
        const auto& v4 = reinterpret_cast<const sockaddr_in&>(address);
        ::inet_ntop(AF_INET, &v4.sin_addr, text.data(), text.size());
        port = ntohs(v4.sin_port);
    } else if (address.ss_family == AF_INET6) {
        const auto& v6 = reinterpret_cast<const sockaddr_in6&>(address);
        ::inet_ntop(AF_INET6, &v6.sin6_addr, text.data(), text.size());
        port = ntohs(v6.sin6_port);
    }
    ip = text.data();
}

// RFC 9110, section 5.6.2.
bool is_token_character(char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c != '\0' && std::string_view{"!#$%&'*+-.^_`|~"}.contains(c));
}

bool is_control(char c) { return (c >= '\0' && c < ' ' && c != '\t') || c == '\x7f'; }

}  // namespace

bool HeadGrammar::takes(char byte) {
    const char last = std::exchange(last_, byte);
    if (last == '\r' || byte == '\n') {
        if (last != '\r' || byte != '\n') return false;
        in_ = In::line_start;
        return true;
    }
    switch (in_) {
        case In::line_start:
            in_ = In::name;
            return byte == '\r' || is_token_character(byte);
        case In::name:
            if (byte == ':') in_ = In::value;
            return byte == ':' || is_token_character(byte);
        default:
            return byte == '\r' || !is_control(byte);
    }
}

template <class IsOver>
bool Connection::await_request(const IsOver& is_over) {
    const auto until = Clock::now() + limits_.idle;
    while (unread_.empty() && !polls(POLLIN, glance)) {
        if (is_over() || Clock::now() >= until) return false;
    }
    head_.emplace();
    begin(limits_.head);
    return true;
}

void Connection::begin(const ConnectionLimits::Part& part) {
    left_ = part.bytes;
    until_ = Clock::now() + (faults::mutant("slow_head") ? std::chrono::hours{1} : part.time);
}

bool Connection::polls(short what, std::chrono::milliseconds limit) const {
    pollfd waiting{.fd = socket_, .events = what, .revents = 0};
    const auto until = Clock::now() + limit;
    for (;;) {
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - Clock::now());
        const int ready = ::poll(&waiting, 1, static_cast<int>(std::max<long>(0, left.count())));
        if (ready >= 0 || errno != EINTR) return ready > 0;
    }
}

std::chrono::milliseconds Connection::patience() const {
    const auto left = std::max(until_ - Clock::now(), Clock::duration{});
    return std::min(limits_.read, std::chrono::ceil<std::chrono::milliseconds>(left));
}

bool Connection::is_readable() const { return !unread_.empty() || polls(POLLIN, patience()); }

// Whoever has hung up takes no answer, though the system would take it.
bool Connection::is_writable() const {
    if (!polls(POLLOUT, limits_.write)) return false;
    char next = 0;
    return !unread_.empty() || ::recv(socket_, &next, 1, MSG_PEEK | MSG_DONTWAIT) != 0;
}

ssize_t Connection::read(char* to, std::size_t size) {
    if (left_ == 0 || Clock::now() >= until_) return -1;
    if (unread_.empty()) {
        if (!polls(POLLIN, patience())) return -1;
        ssize_t got = -1;
        do {
            got = ::recv(socket_, buffer_.data(), buffer_.size(), 0);
        } while (got < 0 && errno == EINTR);
        if (got <= 0) return got;
        unread_ = {buffer_.data(), static_cast<std::size_t>(got)};
    }
    size = unread_.copy(to, std::min(size, left_));
    unread_.remove_prefix(size);
    left_ -= size;
    if (head_ && !std::ranges::all_of(std::string_view{to, size},
                                      [&](char byte) { return head_->takes(byte); })) {
        left_ = 0;
        return -1;
    }
    return static_cast<ssize_t>(size);
}

ssize_t Connection::write(const char* from, std::size_t size) {
    if (!is_writable()) return -1;
    ssize_t sent = -1;
    do {
        sent = ::send(socket_, from, size, MSG_NOSIGNAL);
    } while (sent < 0 && errno == EINTR);
    return sent;
}

void Connection::get_remote_ip_and_port(std::string& ip, int& port) const {
    sockaddr_storage address{};
    socklen_t size = sizeof address;
    if (::getpeername(socket_, reinterpret_cast<sockaddr*>(&address), &size) == 0)
        name_of(address, ip, port);
}

void Connection::get_local_ip_and_port(std::string& ip, int& port) const {
    sockaddr_storage address{};
    socklen_t size = sizeof address;
    if (::getsockname(socket_, reinterpret_cast<sockaddr*>(&address), &size) == 0)
        name_of(address, ip, port);
}

bool BoundedServer::process_and_close_socket(int socket) {
    Connection connection{socket, limits_};
    std::string remote, local;
    int remote_port = 0;
    int local_port = 0;
    connection.get_remote_ip_and_port(remote, remote_port);
    connection.get_local_ip_and_port(local, local_port);
    bool served = false;
    bool last = false;
    const auto is_over = [&] { return svr_sock_ == INVALID_SOCKET || (served && others_wait_()); };
    for (auto left = keep_alive_max_count_; !last && connection.await_request(is_over); --left) {
        bool closed = false;
        last = left == 1 || others_wait_();
        served = process_request(connection, remote, remote_port, local, local_port, last, closed,
                                 [&](auto&) { connection.head_is_read(); });
        if (!served || closed) break;
    }
    ::shutdown(socket, SHUT_RDWR);
    ::close(socket);
    return served;
}

}  // namespace http

#include "integration/raw_http.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include <format>
#include <stdexcept>

namespace support {
namespace {

class Socket {
public:
    explicit Socket(const std::string& address) : fd_(connect_to(address)) {
        const timeval limit{.tv_sec = 10, .tv_usec = 0};
        ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    }
    ~Socket() { ::close(fd_); }
    Socket(const Socket&) = delete;
    Socket& operator=(const Socket&) = delete;

    void write(std::string_view bytes) {
        // A server that refuses early stops reading: what it answered is what counts.
        while (!bytes.empty()) {
            const auto sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
            if (sent <= 0) return;
            bytes.remove_prefix(static_cast<std::size_t>(sent));
        }
    }

    // Whether something can be read, its end included, before the time is over.
    bool readable_within(std::chrono::milliseconds time) const {
        pollfd waiting{.fd = fd_, .events = POLLIN, .revents = 0};
        return ::poll(&waiting, 1, static_cast<int>(time.count())) > 0;
    }

    std::string read_some() {
        std::string part(4096, '\0');
        const auto size = ::recv(fd_, part.data(), part.size(), 0);
        part.resize(size < 0 ? 0 : static_cast<std::size_t>(size));
        return part;
    }

    std::string read_to_end() {
        std::string all;
        char part[4096];
        for (;;) {
            const auto size = ::recv(fd_, part, sizeof part, 0);
            if (size < 0 && errno == EAGAIN)
                throw std::runtime_error("the connection stays open: " + all);
            if (size <= 0) return all;
            all.append(part, static_cast<std::size_t>(size));
        }
    }

private:
    int fd_;
};

}  // namespace

bool IgnoringCase::operator()(const std::string& left, const std::string& right) const {
    return ::strcasecmp(left.c_str(), right.c_str()) < 0;
}

Answer parse_answer(const std::string& text) {
    const auto head_end = text.find("\r\n\r\n");
    if (head_end == text.npos) return {};
    Answer answer{std::stoi(text.substr(9, 3)), {}, {}, {}};
    auto line = text.find("\r\n");
    while (line < head_end) {
        const auto next = text.find("\r\n", line + 2);
        const auto colon = text.find(": ", line);
        answer.headers[text.substr(line + 2, colon - line - 2)] =
            text.substr(colon + 2, next - colon - 2);
        line = next;
    }
    // Without a length it goes on to the end of the connection.
    const auto given = answer.headers.find("Content-Length");
    const auto length = given == answer.headers.end() ? text.size() : std::stoul(given->second);
    answer.body = text.substr(head_end + 4, length);
    if (length < text.size() - head_end - 4) answer.rest = text.substr(head_end + 4 + length);
    return answer;
}

int connect_to(const std::string& address) {
    const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const auto colon = address.rfind(':');
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(static_cast<std::uint16_t>(std::stoi(address.substr(colon + 1))));
    ::inet_pton(AF_INET, address.substr(0, colon).c_str(), &to.sin_addr);
    if (::connect(socket, reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0) {
        ::close(socket);
        throw std::runtime_error("nobody listens on " + address);
    }
    return socket;
}

Answer send_raw(const std::string& address, const std::string& bytes) {
    Socket socket{address};
    socket.write(bytes);
    return parse_answer(socket.read_to_end());
}

Answer drip(const std::string& address, const std::string& beginning,
            std::chrono::milliseconds pause, std::chrono::seconds limit) {
    const auto until = std::chrono::steady_clock::now() + limit;
    Socket socket{address};
    socket.write(beginning);
    while (!socket.readable_within(pause)) {
        if (std::chrono::steady_clock::now() > until)
            throw std::runtime_error("a slow client is never told to go");
        socket.write("a");
    }
    return parse_answer(socket.read_some());
}

std::string request_bytes(const std::string& address, const std::string& method,
                          const std::string& path, const std::string& body,
                          const std::map<std::string, std::string>& headers) {
    auto bytes =
        std::format("{} {} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n", method, path, address);
    for (const auto& [name, value] : headers) bytes += std::format("{}: {}\r\n", name, value);
    if (!body.empty()) bytes += std::format("Content-Length: {}\r\n", body.size());
    return bytes + "\r\n" + body;
}

Answer request(const std::string& address, const std::string& method, const std::string& path,
               const std::string& body, const std::map<std::string, std::string>& headers) {
    return send_raw(address, request_bytes(address, method, path, body, headers));
}

}  // namespace support

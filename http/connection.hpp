// What cpp-httplib's own connections lack: a whole head, and a whole body, has a deadline and a
// most number of bytes, so that neither a line without an end nor a byte a second holds memory or a
// thread for long.
#pragma once

#include <httplib.h>

#include <array>
#include <chrono>
#include <functional>
#include <optional>
#include <string_view>
#include <utility>

namespace http {

struct ConnectionLimits {
    struct Part {
        std::size_t bytes;
        std::chrono::milliseconds time;
    };
    std::chrono::milliseconds read, write;  // for some bytes to come, or to go
    std::chrono::milliseconds idle;         // between two requests
    Part head, body;                        // body: as sent, with its framing
};

// Follows a head byte by byte, and finds what cpp-httplib skips but others may read: folded lines,
// space before a colon, line ends without CR, control characters.
class HeadGrammar {
public:
    bool takes(char byte);  // false: the head is malformed

private:
    enum class In { request_line, line_start, name, value };
    In in_ = In::request_line;
    char last_ = 0;
};

// A connection that a server accepted. One request after another: await_request, then the head is
// read within its bounds, until head_is_read; then the body within its own.
class Connection final : public httplib::Stream {
public:
    Connection(int socket, const ConnectionLimits& limits) : socket_(socket), limits_(limits) {}

    // False once nothing came for limits.idle, or while nothing does and is_over() says so.
    template <class IsOver>
    bool await_request(const IsOver& is_over);
    void head_is_read() {
        head_.reset();
        begin(limits_.body);
    }

    bool is_readable() const override;
    bool is_writable() const override;
    ssize_t read(char* to, std::size_t size) override;
    ssize_t write(const char* from, std::size_t size) override;
    // NOLINTNEXTLINE(readability-identifier-naming): cpp-httplib's name
    void get_remote_ip_and_port(std::string& ip, int& port) const override;
    void get_local_ip_and_port(std::string& ip, int& port) const override;
    int socket() const override { return socket_; }

private:
    using Clock = std::chrono::steady_clock;

    bool polls(short what, std::chrono::milliseconds limit) const;
    std::chrono::milliseconds patience() const;
    void begin(const ConnectionLimits::Part& part);

    const int socket_;
    const ConnectionLimits& limits_;
    std::array<char, 4096> buffer_{};
    std::string_view unread_;  // in buffer_
    std::optional<HeadGrammar> head_;
    std::size_t left_ = 0;     // bytes of the present part
    Clock::time_point until_;  // when it has to be whole
};

// A cpp-httplib server whose connections are these. Each holds a thread between its requests, too:
// while others wait for one, it ends after its next answer, which says so, or at once when idle.
class BoundedServer final : public httplib::Server {
public:
    // others_wait: whether they do, now; called from all threads.
    BoundedServer(const ConnectionLimits& limits, std::function<bool()> others_wait)
        : limits_(limits), others_wait_(std::move(others_wait)) {}

private:
    bool process_and_close_socket(int socket) override;

    const ConnectionLimits limits_;
    const std::function<bool()> others_wait_;
};

}  // namespace http

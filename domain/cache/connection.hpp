// One connection to one Redis server, by hiredis, with bounds on every wait. Not thread-safe.
//
//   Connection connection{"127.0.0.1:6379", options};
//   connection.command({"SET", "key", "value"});
#pragma once

#include <hiredis/hiredis.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

namespace domain::cache {

// Redis did not do it. Callers go on without Redis.
struct RedisError : std::runtime_error {
    using std::runtime_error::runtime_error;
};

// It cannot be reached, or does not answer in time.
struct Unavailable : RedisError {
    using RedisError::RedisError;
};

// The peer closed: what was asked may be asked again on a new connection.
struct ConnectionClosed : Unavailable {
    using Unavailable::Unavailable;
};

struct Reply {
    enum class Kind { nil, integer, text, list, error };
    Kind kind = Kind::nil;
    std::int64_t integer = 0;
    std::string text;  // of an error as well
    std::vector<Reply> list;
};

using Words = std::vector<std::string>;  // a command and its arguments; binary is fine

struct Bounds {
    std::chrono::milliseconds connect{200};
    std::chrono::milliseconds command{200};  // of each read and write
};

class Connection {
public:
    // Connects, and authenticates with a password that is not empty. Throws Unavailable.
    Connection(const std::string& address, const std::string& password, const Bounds& bounds);

    // An error that the server answers is a Reply. Throws Unavailable; the connection is then over.
    Reply command(const Words& words);

    // For subscriptions. receive() is nothing when no reply came within the limit.
    void send(const Words& words);
    std::optional<Reply> receive(std::chrono::milliseconds limit);

    int descriptor() const;

private:
    struct Close {
        void operator()(redisContext* context) const;
    };
    [[noreturn]] void fail() const;

    std::string address_;
    std::unique_ptr<redisContext, Close> context_;
};

// "host:port", also "[::1]:port". Throws std::invalid_argument.
struct HostPort {
    std::string host;
    int port;
};
HostPort parse_address(const std::string& address);

}  // namespace domain::cache

// HTTP spoken byte by byte, so that a test can also say what no client library would.
#pragma once

#include <chrono>
#include <map>
#include <string>

namespace support {

struct IgnoringCase {
    bool operator()(const std::string& left, const std::string& right) const;
};

struct Answer {
    int status = 0;  // 0: the connection was closed without one
    std::map<std::string, std::string, IgnoringCase> headers;
    std::string body;
    std::string rest;  // what came after the first answer on the same connection
};

// Of all the bytes of a connection.
Answer parse_answer(const std::string& text);

// A socket, the caller's to close. Throws when nobody listens there.
int connect_to(const std::string& address);

// Sends the bytes as they are, and reads until the server closes the connection. Throws after 10 s.
Answer send_raw(const std::string& address, const std::string& bytes);

// Sends the beginning, then a letter every pause until the server answers or closes the connection,
// or the limit is over, which throws.
Answer drip(const std::string& address, const std::string& beginning,
            std::chrono::milliseconds pause, std::chrono::seconds limit);

// A well-formed request that asks for the end of its connection.
std::string request_bytes(const std::string& address, const std::string& method,
                          const std::string& path, const std::string& body,
                          const std::map<std::string, std::string>& headers);

// One such, on a connection of its own.
Answer request(const std::string& address, const std::string& method, const std::string& path,
               const std::string& body = {},
               const std::map<std::string, std::string>& headers = {});

}  // namespace support

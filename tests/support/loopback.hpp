// Ports and sockets of 127.0.0.1, for servers that a test starts itself.
#pragma once

#include <netinet/in.h>

namespace support {

// A file descriptor that is closed by scope. Not thread-safe.
class Descriptor {
public:
    explicit Descriptor(int number = -1) : number_{number} {}
    ~Descriptor() { close(); }
    Descriptor(Descriptor&& other) noexcept : number_{other.release()} {}
    Descriptor& operator=(Descriptor&& other) noexcept;
    int get() const { return number_; }
    int release();
    void close();

private:
    int number_;
};

Descriptor tcp_socket(int flags = 0);  // those of socket(2); throws when there is none
sockaddr_in loopback(int port);
bool accepts(int port);

// Free a moment ago, which is as much as can be known, and below the range of outgoing connections:
// while whoever listens there is down for a moment, none of those can take it.
int free_port();

}  // namespace support

// A TCP proxy on 127.0.0.1 that is as bad a network as a test wants.
//
//   support::TcpGate gate{server_port};            // clients connect to gate.port()
//   gate.shape({.latency = 20ms, .bytes_per_second = 65536});
//   gate.hold(support::TcpGate::Direction::answers);  // taken, and not passed on
//   gate.reset();                                  // RST to both ends; what waits inside is lost
//   gate.open();
//
// Thread-safe.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <deque>
#include <list>
#include <mutex>
#include <string>
#include <thread>

#include "support/loopback.hpp"

namespace support {

class TcpGate {
public:
    enum class Direction { requests, answers };
    struct Shape {
        std::chrono::milliseconds latency{};  // each way
        std::size_t bytes_per_second = 0;     // of each connection, each way; 0: no limit
    };

    explicit TcpGate(int target_port);
    ~TcpGate();
    TcpGate(const TcpGate&) = delete;
    TcpGate& operator=(const TcpGate&) = delete;

    int port() const { return port_; }
    void shape(const Shape& shape);
    void hold(Direction direction);
    void open();               // lets everything through again, unshaped
    std::size_t held() const;  // bytes that wait inside
    int reset();               // how many connections it broke

private:
    using Clock = std::chrono::steady_clock;
    struct Chunk {
        Clock::time_point due;
        std::string bytes;
    };
    struct Pipe {  // one direction of a connection
        std::deque<Chunk> chunks;
        std::size_t waiting = 0;
        double allowance = 0;  // bytes that the limit lets through now
        bool ended = false;    // the sender has closed
    };
    struct Connection {
        Descriptor client, server;
        std::array<Pipe, 2> pipes;  // by Direction
        Clock::time_point served;
    };

    void run(const std::stop_token& stop);
    void admit();
    bool serve(Connection& connection);  // false once it is over
    bool fill(Pipe& pipe, int from);
    bool drain(Pipe& pipe, int to, Clock::duration elapsed, bool held);

    int target_port_;
    Descriptor listener_, wake_up_;
    int port_ = 0;
    mutable std::mutex mutex_;
    Shape shape_;
    std::array<bool, 2> held_{};
    std::list<Connection> connections_;
    std::jthread thread_;
};

}  // namespace support

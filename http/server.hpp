// The HTTP listener: bounds on threads, queue, body, and time; graceful stop. What it carries goes
// to a Dispatcher. Connections whose framing is in doubt, or whose body was not read whole, are
// answered and closed.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "http/dispatcher.hpp"

namespace http {

struct ServerOptions {
    std::string listen;          // host:port; port 0 picks a free one
    std::size_t threads = 64;    // a kept-alive connection holds one, unless others wait
    std::size_t queue = 512;     // connections waiting for a thread; more get a 503
    std::size_t refusers = 2;    // threads that tell them
    std::size_t refusals = 128;  // connections waiting for one of those; more are closed
    std::size_t head_limit = 32768;
    std::size_t body_limit = 65536;
    std::chrono::seconds read_timeout{5};
    std::chrono::seconds write_timeout{5};
    std::chrono::seconds keep_alive{5};
    std::chrono::seconds head_deadline{5};   // for a whole head, however slowly it drips
    std::chrono::seconds body_deadline{10};  // for a whole body
    std::string proxy = {};  // an address that says who asks, by one X-Forwarded-For; "": none
    std::function<void()> on_failure = {};  // it stopped accepting by itself; from its own thread
};

class Server {
public:
    // Listens at once; throws std::runtime_error when the address is malformed or taken.
    Server(const ServerOptions& options, Dispatcher& dispatcher);
    ~Server();  // stops

    // host:port as bound.
    const std::string& address() const { return address_; }

    // Accepts no more connections, finishes the requests that have arrived, ends the streams, and
    // returns.
    void stop();

private:
    class Listener;  // keeps cpp-httplib out of this header
    std::unique_ptr<Listener> listener_;
    std::string address_;
    std::jthread thread_;
};

}  // namespace http

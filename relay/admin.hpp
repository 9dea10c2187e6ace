// The relay's own HTTP port: /livez, /readyz and /metrics.
#pragma once

#include <memory>
#include <string>
#include <thread>

#include "relay/status.hpp"

namespace httplib {
class Server;
}

namespace relay {

class Admin {
public:
    // Listens on "host:port" (port 0 picks one, and the log names it), answering from the status.
    // Throws std::invalid_argument for an address that is malformed or taken.
    Admin(const std::string& listen, const Status& status);
    ~Admin();
    Admin(const Admin&) = delete;
    Admin& operator=(const Admin&) = delete;

private:
    std::unique_ptr<httplib::Server> server_;
    std::jthread thread_;
};

}  // namespace relay

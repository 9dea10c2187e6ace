// The relay's own HTTP port: /livez, /readyz, /metrics, and for those with a token /admin.
#pragma once

#include <memory>
#include <string>
#include <thread>

#include "relay/admin_api.hpp"
#include "relay/settings.hpp"
#include "relay/status.hpp"

namespace relay {

class Admin {
public:
    // Listens on "host:port" (port 0 picks one, and the log names it), answering from the board.
    // Throws std::invalid_argument for an address that is malformed or taken.
    Admin(const AdminSettings& settings, const Board& board);
    ~Admin();
    Admin(const Admin&) = delete;
    Admin& operator=(const Admin&) = delete;

private:
    AdminApi api_;
    std::unique_ptr<httplib::Server> server_;
    std::jthread thread_;
};

}  // namespace relay

#include "relay/admin.hpp"

#include <httplib.h>
#include <spdlog/spdlog.h>

#include <charconv>
#include <stdexcept>

namespace relay {

Admin::Admin(const AdminSettings& settings, const Board& board)
    : api_{settings}, server_{std::make_unique<httplib::Server>()} {
    const auto& listen = settings.listen;
    const auto colon = listen.rfind(':');
    int port = -1;
    const char* const end = listen.data() + listen.size();
    if (colon == std::string::npos ||
        std::from_chars(listen.data() + colon + 1, end, port).ptr != end)
        port = -1;
    if (port < 0 || port > 65535)
        throw std::invalid_argument{"admin.listen = '" + listen + "' is not HOST:PORT"};
    const auto host = colon == 0 ? std::string{"127.0.0.1"} : listen.substr(0, colon);

    // Without SO_REUSEPORT, by which two relays would share a port unnoticed.
    server_->set_socket_options([](socket_t socket) {
        const int on = 1;
        ::setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    });
    // One for /admin at a time; the others for probes.
    server_->new_task_queue = [] { return new httplib::ThreadPool{4, 16}; };
    server_->set_payload_max_length(1024);
    server_->set_read_timeout(5);
    server_->set_write_timeout(5);
    server_->Get("/livez", [&board](const httplib::Request&, httplib::Response& response) {
        const bool alive = board.alive();
        response.status = alive ? 200 : 503;
        response.set_content(alive ? "ok\n" : "a main loop has given no sign of life for 30 s\n",
                             "text/plain");
    });
    server_->Get("/readyz", [&board](const httplib::Request&, httplib::Response& response) {
        const auto [ready, text] = board.ready();
        response.status = ready ? 200 : 503;
        response.set_content(text, "text/plain");
    });
    server_->Get("/metrics", [&board](const httplib::Request&, httplib::Response& response) {
        response.set_content(board.metrics(), "text/plain; version=0.0.4");
    });
    api_.add_to(*server_);

    const int bound = port == 0 ? server_->bind_to_any_port(host)
                                : (server_->bind_to_port(host, port) ? port : -1);
    if (bound < 0)
        throw std::invalid_argument{"cannot listen on admin.listen = '" + listen +
                                    "': the address is taken or not of this host"};
    spdlog::info("admin on http://{}:{}", host, bound);
    thread_ = std::jthread{[this] { server_->listen_after_bind(); }};
    server_->wait_until_ready();
}

Admin::~Admin() { server_->stop(); }

}  // namespace relay

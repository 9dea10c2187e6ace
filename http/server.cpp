#include "http/server.hpp"

#include <atomic>
#include <charconv>
#include <stdexcept>

#include "faults.hpp"
#include "http/connection.hpp"
#include "http/framing.hpp"

namespace http {
namespace {

Request translate(const httplib::Request& from, const std::string& proxy) {
    constexpr auto forwarded = "X-Forwarded-For";
    const bool is_told =
        !proxy.empty() && from.remote_addr == proxy && from.get_header_value_count(forwarded) == 1;
    Request request{
        from.method, from.path, {}, is_told ? from.get_header_value(forwarded) : from.remote_addr};
    for (const auto& [name, value] : from.headers) request.headers.emplace(name, value);
    for (const auto& [name, value] : from.params) request.query.emplace(name, value);
    return request;
}

// Never sent: marks an answer to HEAD after which the connection must close. HEAD has no body whose
// writing could fail (see below), so its headers fail: such a client gets no answer.
constexpr auto unanswered = "X-Unanswered";

void stream(const Stream& body, const std::string& content_type, const std::stop_token& stop,
            httplib::Response& to) {
    to.set_header("Connection", "close");
    to.set_content_provider(content_type, [body, stop](std::size_t, httplib::DataSink& sink) {
        const Sink write = [&](std::string_view part) {
            return sink.write(part.data(), part.size());
        };
        while (body(write, stop)) {
        }
        return false;  // closes the connection, as below
    });
}

void answer(const httplib::Request& request, const Response& from, const std::stop_token& stop,
            httplib::Response& to) {
    to.status = from.status;
    for (const auto& [name, value] : from.headers) to.set_header(name, value);
    if (from.stream && request.method != "HEAD") {
        stream(from.stream, from.content_type, stop, to);
        return;
    }
    if (!from.close) {
        to.set_content(from.body, from.content_type);
        return;
    }
    to.set_header("Connection", "close");
    if (request.method == "HEAD") to.set_header(unanswered, "");
    // cpp-httplib closes a connection only when writing the answer fails: so this writer fails,
    // after its work.
    to.set_content_provider(
        from.body.size(), from.content_type,
        [body = from.body](std::size_t offset, std::size_t, httplib::DataSink& sink) {
            sink.write(body.data() + offset, body.size() - offset);
            return false;
        });
}

// As many bytes as a body may have on its way for each of its own: chunks may be small.
constexpr std::size_t framed = 8;

int bind_to(httplib::Server& server, const std::string& address, int& socket) {
    const auto colon = address.rfind(':');
    const auto host = address.substr(0, colon);
    const auto port_text = colon == address.npos ? "" : address.substr(colon + 1);
    int port = -1;
    const auto [end, error] =
        std::from_chars(port_text.data(), port_text.data() + port_text.size(), port);
    if (host.empty() || error != std::errc{} || *end != '\0' || port < 0 || port > 65535) {
        throw std::runtime_error("listen address \"" + address +
                                 "\": write host:port, e.g. 127.0.0.1:8082");
    }
    // Without SO_REUSEPORT, which cpp-httplib sets: two processes must not share a port unnoticed.
    server.set_socket_options([&socket](int fd) {
        socket = fd;
        const int on = 1;
        ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    });
    const int bound =
        port == 0 ? server.bind_to_any_port(host) : (server.bind_to_port(host, port) ? port : -1);
    if (bound < 0) {
        throw std::runtime_error("cannot listen on " + address +
                                 ": is another process using the port?");
    }
    // cpp-httplib's backlog of 5 drops connections of a burst; asking again raises it.
    ::listen(socket, SOMAXCONN);
    return bound;
}

// Of a thread: what it serves found the queue full.
thread_local bool is_refuser = false;

// Connections wait for a thread; those that find the queue full, for a refuser, who tells them so.
class Queue final : public httplib::TaskQueue {
public:
    // connections: counts those that have a thread, or wait for one.
    Queue(const ServerOptions& options, std::atomic<std::size_t>& connections)
        : connections_(connections),
          serving_(options.threads, faults::mutant("unbounded_queue") ? 0 : options.queue),
          refusing_(options.refusers, options.refusals) {}

    bool enqueue(std::function<void()> serve) override {
        ++connections_;
        const bool taken = serving_.enqueue([this, serve] {
            serve();
            --connections_;
        });
        if (taken) return true;
        --connections_;
        return refusing_.enqueue([serve = std::move(serve)] {
            is_refuser = true;
            serve();
        });
    }
    void shutdown() override {
        serving_.shutdown();
        refusing_.shutdown();
    }

private:
    std::atomic<std::size_t>& connections_;
    httplib::ThreadPool serving_, refusing_;
};

}  // namespace

class Server::Listener {
public:
    Listener(const ServerOptions& options, Dispatcher& dispatcher)
        : options_(options),
          dispatcher_(dispatcher),
          server_({.read = options.read_timeout,
                   .write = options.write_timeout,
                   .idle = options.keep_alive,
                   .head = {options.head_limit, options.head_deadline},
                   // read_body tells of its deadline; this one holds where only framing comes.
                   .body = {framed * options.body_limit,
                            options.body_deadline + std::chrono::seconds{1}}},
                  [this] {
                      return connections_ > options_.threads &&
                             !faults::mutant("threads_kept_alive");
                  }) {
        set_bounds();
        set_handlers();
        const int port = bind_to(server_, options.listen, socket_);
        address_ = options.listen.substr(0, options.listen.rfind(':') + 1) + std::to_string(port);
    }

    const std::string& address() const { return address_; }
    // Returns when stopped, or when accepting failed.
    void run() {
        if (!server_.listen_after_bind() && options_.on_failure) options_.on_failure();
    }
    void wait_until_running() { server_.wait_until_ready(); }
    void stop() {
        stopping_.request_stop();
        server_.stop();
    }

private:
    void set_bounds() {
        server_.new_task_queue = [this] {
            return new Queue(options_, connections_);
        };  // cpp-httplib owns it
        server_.set_keep_alive_max_count(10'000);
        server_.set_tcp_nodelay(true);
    }

    void set_handlers() {
        using httplib::Server;
        server_.set_pre_routing_handler([this](const auto& request, auto& response) {
            // It would be applied to the answer of any method, after the effect; ours are whole.
            auto& taken = const_cast<httplib::Request&>(request);
            taken.ranges.clear();
            // It would be packed on the spot, however short: the edge's to do, where it pays.
            taken.headers.erase("Accept-Encoding");
            if (const auto fault = framing_fault(request)) {
                const Problem problem{400, "the request has " + *fault, {}, {}, true};
                reply(request, dispatcher_.refuse(translate(request, options_.proxy), problem),
                      response);
                return Server::HandlerResponse::Handled;
            }
            // A process that has much to do is alive.
            if (is_refuser && request.path != "/livez") {
                const Problem problem{
                    503, "too many requests wait already: try again", {}, {{"Retry-After", "1"}}};
                reply(request, dispatcher_.refuse(translate(request, options_.proxy), problem),
                      response);
                return Server::HandlerResponse::Handled;
            }
            if (request.method == "POST" || request.method == "PUT" || request.method == "PATCH") {
                return Server::HandlerResponse::Unhandled;
            }
            reply(request, dispatcher_.dispatch(translate(request, options_.proxy), {}), response);
            return Server::HandlerResponse::Handled;
        });
        const auto with_body = [this](const auto& request, auto& response, const auto& reader) {
            const auto read = [&](std::string& body) {
                return read_body(request, reader, {options_.body_limit, options_.body_deadline},
                                 body);
            };
            reply(request, dispatcher_.dispatch(translate(request, options_.proxy), read),
                  response);
        };
        server_.Post(".*", with_body);
        server_.Put(".*", with_body);
        server_.Patch(".*", with_body);
        server_.set_error_handler(
            [this](const httplib::Request& request, httplib::Response& response) {
                if (response.has_header("X-Request-Id")) return Server::HandlerResponse::Unhandled;
                // cpp-httplib refused it: what follows in the connection cannot be trusted.
                const Problem problem{
                    response.status, "the request is malformed or too long", {}, {}, true};
                reply(request, dispatcher_.refuse(translate(request, options_.proxy), problem),
                      response);
                return Server::HandlerResponse::Handled;
            });
        server_.set_header_writer([](httplib::Stream& stream, httplib::Headers& headers) {
            return headers.contains(unanswered) ? 0
                                                : httplib::detail::write_headers(stream, headers);
        });
        server_.set_post_routing_handler([](const auto&, auto& response) {
            if (response.get_header_value("Connection") == "close")
                response.headers.erase("Keep-Alive");
        });
    }

    void reply(const httplib::Request& request, Response from, httplib::Response& to) {
        if (is_refuser) from.close = true;
        answer(request, from, stopping_.get_token(), to);
    }

    const ServerOptions options_;
    Dispatcher& dispatcher_;
    std::stop_source stopping_;
    std::atomic<std::size_t> connections_ = 0;
    BoundedServer server_;
    int socket_ = -1;
    std::string address_;
};

Server::Server(const ServerOptions& options, Dispatcher& dispatcher)
    : listener_(std::make_unique<Listener>(options, dispatcher)),
      address_(listener_->address()),
      thread_([this] { listener_->run(); }) {
    listener_->wait_until_running();
}

Server::~Server() { stop(); }

void Server::stop() {
    if (!thread_.joinable()) return;
    listener_->stop();
    thread_.join();
}

}  // namespace http

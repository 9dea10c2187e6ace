#include "integration/purchase_fixture.hpp"

#include <grpcpp/grpcpp.h>
#include <poll.h>
#include <sys/socket.h>

#include <condition_variable>
#include <format>
#include <mutex>
#include <outbox/event.hpp>

#include "product.grpc.pb.h"

namespace integration {

class FakeProduct::Server final : public product::ProductService::Service {
public:
    struct Product {
        std::uint64_t price, inventory;
    };

    grpc::Status GetProducts(grpc::ServerContext*, const product::GetProductsRequest* request,
                             product::GetProductsResponse* response) override {
        std::unique_lock lock(mutex);
        ++asked;
        if (refusals > 0) {
            --refusals;
            return {grpc::UNAVAILABLE, "not now"};
        }
        released.wait(lock, [&] { return !held; });
        for (const auto id : request->product_ids()) {
            const auto found = products.find(id);
            if (found == products.end()) continue;
            auto& each = *response->add_products();
            each.set_id(id);
            each.set_category(3);
            each.set_name(std::format("Product {}", id));
            each.set_brand_name("Quillworks");
            each.set_description("As good as new");
            each.set_price(found->second.price);
            each.set_inventory(found->second.inventory);
        }
        return grpc::Status::OK;
    }

    const std::string address = "127.0.0.1:" + std::to_string(support::free_port());
    std::unique_ptr<grpc::Server> server;
    std::mutex mutex;
    std::condition_variable released;
    std::map<std::uint64_t, Product> products{{1, {4900, 100}}, {2, {1250, 100}}};
    int asked = 0, refusals = 0;
    bool held = false;
};

FakeProduct::FakeProduct() : server_(std::make_unique<Server>()) { start(); }

FakeProduct::~FakeProduct() {
    release();
    stop();
}

std::string FakeProduct::address() const { return server_->address; }

void FakeProduct::put(std::uint64_t id, std::uint64_t price, std::uint64_t inventory) {
    const std::scoped_lock lock(server_->mutex);
    server_->products.insert_or_assign(id, Server::Product{price, inventory});
}

void FakeProduct::refuse(int calls) {
    const std::scoped_lock lock(server_->mutex);
    server_->refusals = calls;
}

void FakeProduct::hold() {
    const std::scoped_lock lock(server_->mutex);
    server_->held = true;
}

void FakeProduct::release() {
    const std::scoped_lock lock(server_->mutex);
    server_->held = false;
    server_->released.notify_all();
}

void FakeProduct::start() {
    grpc::ServerBuilder builder;
    builder.AddListeningPort(server_->address, grpc::InsecureServerCredentials());
    builder.RegisterService(server_.get());
    server_->server = builder.BuildAndStart();
    if (!server_->server) throw std::runtime_error("cannot listen on " + server_->address);
}

void FakeProduct::stop() {
    if (server_->server) server_->server->Shutdown(std::chrono::system_clock::now());
    server_->server.reset();
}

int FakeProduct::asked() const {
    const std::scoped_lock lock(server_->mutex);
    return server_->asked;
}

Listener::Listener(const std::string& address, const std::string& path, const Headers& headers,
                   int receive_buffer)
    : socket_(support::tcp_socket()) {
    if (receive_buffer > 0) {
        ::setsockopt(socket_.get(), SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
    }
    const auto to = support::loopback(std::stoi(address.substr(address.rfind(':') + 1)));
    if (::connect(socket_.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0)
        throw std::runtime_error("nobody listens on " + address);
    auto request = std::format("GET {} HTTP/1.1\r\nHost: {}\r\n", path, address);
    for (const auto& [name, value] : headers) request += std::format("{}: {}\r\n", name, value);
    request += "\r\n";
    ::send(socket_.get(), request.data(), request.size(), MSG_NOSIGNAL);
}

int Listener::status() { return std::stoi(read_until("\r\n").substr(9, 3)); }

const std::string& Listener::read_until(const std::string& text) {
    while (!text_.contains(text) && read_some()) {
    }
    return text_;
}

const std::string& Listener::read_to_end() {
    while (read_some()) {
    }
    return text_;
}

bool Listener::read_some() {
    pollfd wait{.fd = socket_.get(), .events = POLLIN, .revents = 0};
    if (::poll(&wait, 1, 20'000) == 0)
        throw std::runtime_error("20 s without a word after: " + text_);
    char part[4096];
    const auto size = ::recv(socket_.get(), part, sizeof part, 0);
    if (size > 0) text_.append(part, static_cast<std::size_t>(size));
    return size > 0;
}

PurchaseTest::PurchaseTest()
    : config_{.services = {{"purchase", database_.dsn("shop_purchase"), address_}},
              .grpc = {{"product", product_.address()}},
              .token = {},
              .account = {},
              .brokers = support::kafka(),
              .topic = prefix_ + "{aggregatetype}",
              .group_prefix = prefix_,
              .log_level = "off",
              .machine = std::nullopt,
              .connections = 16,
              .start_timeout = std::chrono::seconds{30},
              .orchestrator = {},
              .cache = {},
              .stripe = {},
              .drain = std::chrono::seconds{0}},
      shop_{.config = config_, .log = log_, .authenticate = [](const http::Request& request) {
                const std::string token{request.header("Authorization")};
                using Who = tl::expected<domain::CustomerId, http::Problem>;
                if (token.empty()) return Who{tl::unexpected(http::Problem{401, "who are you?"})};
                return Who{domain::CustomerId{std::stoll(token)}};
            }} {
    support::create_topic(prefix_ + "purchase-result", 3);
    http::add_purchase(shop_, config_.services.front());
    shop_.services.front()->start();
}

PurchaseTest::~PurchaseTest() { shop_.services.front()->stop(); }

support::Answer PurchaseTest::post(const std::string& body, Headers headers,
                                   const std::string& path) const {
    headers.insert({{"Content-Type", "application/json"}, {"Authorization", "7"}});
    return support::request(address_, "POST", path, body, headers);
}

support::Answer PurchaseTest::get(const std::string& path, int customer) const {
    return support::request(address_, "GET", path, "",
                            {{"Authorization", std::to_string(customer)}});
}

std::int64_t PurchaseTest::purchase() const {
    const auto answer = post(pens);
    if (answer.status != 202) throw std::runtime_error("no purchase: " + answer.body);
    return nlohmann::json::parse(answer.body)["purchase_id"];
}

std::string PurchaseTest::events_path(std::int64_t id) const {
    return std::format("/api/v1/purchases/{}/events", id);
}

Listener PurchaseTest::listen(std::int64_t id, const std::string& last_event_id,
                              int receive_buffer) const {
    Listener::Headers headers{{"Authorization", "7"}, {"Accept", "text/event-stream"}};
    if (!last_event_id.empty()) headers.emplace("Last-Event-ID", last_event_id);
    return {address_, events_path(id), headers, receive_buffer};
}

void PurchaseTest::result(std::int64_t purchase, int status, int step, const std::string& success,
                          const std::optional<std::string>& event_id) const {
    const auto value =
        std::format(R"({{"version":1,"purchase_id":{},"status":{},"step":{},"success":{},)"
                    R"("timestamp":"2026-11-21T10:00:00.123Z"}})",
                    purchase, status, step, success);
    const auto id = event_id.value_or(outbox::EventId::make().to_string());
    support::produce(prefix_ + "purchase-result",
                     {{.key = std::to_string(purchase),
                       .value = value,
                       .headers = {{"id", id}, {"type", "PurchaseResult"}}}});
}

void PurchaseTest::applied_elsewhere(std::int64_t purchase, int status, int step,
                                     std::optional<bool> success) {
    pqxx::work tx{super_};
    tx.exec(
        "update purchases set status = $2, step = $3, success = $4, last_seq = last_seq + 1 "
        "where id = $1",
        pqxx::params{purchase, status, step, success});
    tx.exec(
        "insert into purchase_event (purchase_id, seq, step, status, success, at) "
        "select id, last_seq, step, status, success, now() from purchases where id = $1",
        pqxx::params{purchase});
    tx.commit();
}

int PurchaseTest::ask(const std::string& query) {
    return pqxx::nontransaction{super_}.query_value<int>(query);
}

}  // namespace integration

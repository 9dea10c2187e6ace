// The purchase service in the test's own process, as main would make it, on a database and topics
// of its own; a product service that can fail; and a client that listens to events.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <pqxx/pqxx>
#include <string>

#include "http/apps.hpp"
#include "integration/raw_http.hpp"
#include "support/database.hpp"
#include "support/kafka.hpp"
#include "support/loopback.hpp"

namespace integration {

// product.ProductService over a map. Thread-safe.
class FakeProduct {
public:
    FakeProduct();
    ~FakeProduct();
    FakeProduct(const FakeProduct&) = delete;
    FakeProduct& operator=(const FakeProduct&) = delete;

    std::string address() const;
    void put(std::uint64_t id, std::uint64_t price, std::uint64_t inventory);
    void refuse(int calls);  // the next ones are answered UNAVAILABLE
    void hold();             // answers wait until release()
    void release();
    void start();
    void stop();
    int asked() const;  // how often

private:
    class Server;
    std::unique_ptr<Server> server_;
};

// One GET, whose answer is read as it comes.
class Listener {
public:
    using Headers = std::map<std::string, std::string>;
    // receive_buffer: of the socket, in bytes; 0 for the system's own.
    Listener(const std::string& address, const std::string& path, const Headers& headers,
             int receive_buffer = 0);
    int status();  // waits for it
    // Everything so far, once it contains the text, or the server has closed; throws after 20 s.
    const std::string& read_until(const std::string& text);
    const std::string& read_to_end();

private:
    bool read_some();  // false at the end

    support::Descriptor socket_;
    std::string text_;
};

class PurchaseTest : public testing::Test {
public:
    ~PurchaseTest() override;

protected:
    PurchaseTest();

    static constexpr auto pens =
        R"({"order_items":[{"product_id":1,"quantity":2},{"product_id":2,"quantity":1}],)"
        R"("payment":{"currency_code":"EUR"}})";
    using Headers = std::map<std::string, std::string>;

    support::Answer post(const std::string& body, Headers headers = {},
                         const std::string& path = "/api/v1/purchases") const;
    support::Answer get(const std::string& path, int customer = 7) const;
    std::int64_t purchase() const;  // a new one's id

    Listener listen(std::int64_t id, const std::string& last_event_id = "",
                    int receive_buffer = 0) const;
    // A PurchaseResult by Kafka; success: "null", "true" or "false". Under the same event id twice,
    // it is a redelivery.
    void result(std::int64_t purchase, int status, int step, const std::string& success,
                const std::optional<std::string>& event_id = {}) const;
    // One that another process applied.
    void applied_elsewhere(std::int64_t purchase, int status, int step,
                           std::optional<bool> success);
    int ask(const std::string& query);
    std::string events_path(std::int64_t id) const;

    support::Database database_{{"outbox", "purchase"}};
    FakeProduct product_;
    std::string prefix_ = support::unique_name("purchase") + ".";
    std::string address_ = "127.0.0.1:" + std::to_string(support::free_port());
    pqxx::connection super_{database_.dsn()};
    http::Log log_{"off"};
    http::Config config_;
    http::Shop shop_;
};

}  // namespace integration

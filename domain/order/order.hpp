// An order: what a customer bought, at the prices of that moment, and whether it got paid.
//
//   PENDING ──pay──► PAID          Both ends are final. Hearing the same outcome again changes
//   nothing;
//      └───cancel──► CANCELLED     hearing the opposite one is refused.
//
// Pure values and decisions: no clock, no database.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <vector>

#include "domain/ids.hpp"
#include "domain/money.hpp"
#include "domain/refusal.hpp"

namespace domain::order {

enum class Status { pending, paid, cancelled };
std::string_view to_string(Status status);
Status parse_status(
    std::string_view text);  // aborts on any other text: only our own rows are read with it

struct Line {
    ProductId product;
    std::int64_t quantity;
    std::int64_t price;  // of one, in minor units of the order's currency
    bool operator==(const Line&) const = default;
};

// A line with what the customer was shown of its product.
struct Product {
    Line line;
    std::int64_t category_id;
    std::string name, brand_name, description;
    bool operator==(const Product&) const = default;
};

struct Order {
    OrderId id;
    CustomerId customer;
    Status status;
    Money amount;
    std::vector<Line> lines;      // ascending by product
    std::string cancel_reason{};  // empty unless cancelled
    bool never_created = false;   // a tombstone: rolled back before it was created
    bool operator==(const Order&) const = default;
};

constexpr std::size_t max_items = 100;
constexpr std::int64_t max_quantity = 10'000;

// The saga's command: an order of a purchase whose prices are settled already.
struct CreateOrder {
    OrderId id;
    CustomerId customer;
    Money amount;
    std::vector<Product> products;  // in any order
};

tl::expected<Order, Refusal> create(const CreateOrder& command);

// What a rollback leaves that comes before its order.
Order tombstone(OrderId id);

// CreateOrder's answer, when there is an order or a tombstone already.
tl::expected<void, Refusal> created_before(const Order& order);

tl::expected<Order, Refusal> pay(Order order);
tl::expected<Order, Refusal> cancel(Order order, std::string reason);

}  // namespace domain::order

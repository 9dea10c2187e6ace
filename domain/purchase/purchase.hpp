// A purchase: what a customer asks for, at the prices and by the stock that product knows of, and
// how far the saga has come with it.
//
//   EXECUTE 0 → 1 → 2 → SUCCESS            each step asked for, then done
//      └─► FAILED n → ROLLBACK n … 0       the refusal of step n undoes n … 0
//
// Exactly one change ends it: the one that says whether it succeeded. Nothing changes it after
// that.
//
// Pure values and decisions: no clock, no database.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <vector>

#include "domain/ids.hpp"
#include "domain/money.hpp"
#include "domain/refusal.hpp"

namespace domain::purchase {

constexpr std::size_t max_items = 100;
constexpr std::int64_t max_quantity = 10'000;

// What is wanted of one product; position is that in the request where it was named first.
struct Wanted {
    std::int64_t quantity;
    std::size_t position;
};

struct PlacePurchase {
    CustomerId customer;
    std::map<ProductId, Wanted> wanted;  // 1..max_items products, each 1..max_quantity
    Currency currency;
    std::string idempotency_key{};  // empty: none was given
};

// What product says of one that exists.
struct Offer {
    bool in_stock;  // in the quantity that was asked for
    std::int64_t price, category;
    std::string name, brand_name, description;
};
using Offers = std::map<ProductId, Offer>;

struct Item {
    ProductId product;
    std::int64_t quantity;
    std::int64_t price;  // of one, in minor units of the purchase's currency
    std::int64_t category = 0;
    std::string name{}, brand_name{}, description{};
};

struct Purchase {
    PurchaseId id;
    CustomerId customer;
    Money amount;
    std::vector<Item> items;  // ascending by product
};

// Refuses products that are unknown or out of stock, and an amount that does not fit.
tl::expected<Purchase, Refusal> place(PurchaseId id, const PlacePurchase& command,
                                      const Offers& offers);

// Whether the purchase is what the command asks for, so that repeating the command may answer with
// it.
bool fulfils(const Purchase& purchase, const PlacePurchase& command);

// Numbered as in the contract.
enum class Status { execute, success, failed, rollback, rollback_failed };
enum class Step { update_product_inventory, create_order, create_payment };
std::string_view to_string(Status status);
std::string_view to_string(Step step);

struct State {
    Status status = Status::execute;
    Step step = Step::update_product_inventory;
    std::optional<bool> success{};  // how it ended
    bool operator==(const State&) const = default;
};

// What became of a purchase, and when.
struct Change {
    PurchaseId id;
    State state;
    std::chrono::sys_time<std::chrono::milliseconds> at;
};

// Whether a purchase in state `from` moves on to `to`. Not when it has ended, and not to where it
// is or has been: changes may come twice, and late.
bool moves(const State& from, const State& to);

}  // namespace domain::purchase

// Products, their categories, and whether there are enough of them.
//
// Pure values and decisions: no clock, no database.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <tl/expected.hpp>
#include <vector>

#include "domain/ids.hpp"
#include "domain/refusal.hpp"

namespace domain::product {

struct Category {
    CategoryId id;
    std::string name, description;
    bool operator==(const Category&) const = default;
};

struct Product {
    ProductId id;
    CategoryId category;
    std::string name, brand_name, description;
    std::int64_t price;      // of one, in minor units of whatever currency the purchase names
    std::int64_t inventory;  // pieces that nobody has reserved
    bool operator==(const Product&) const = default;
};

// Of a price and of an inventory: what 100 lines of 10,000 pieces cost still fits 64 bits.
constexpr std::int64_t most = 1'000'000'000'000;
constexpr std::size_t longest_name = 200;          // bytes of UTF-8; of a brand's name, too
constexpr std::size_t longest_description = 4000;  // bytes of UTF-8

// What an update sets; the rest stays.
struct Changes {
    std::optional<std::string> name, brand_name, description;
    std::optional<std::int64_t> price;
};

struct Line {
    ProductId product;
    std::int64_t quantity;
    bool operator==(const Line&) const = default;
};
using Quantities = std::map<ProductId, std::int64_t>;  // ascending: the order to lock rows in

// What the lines ask for of each product, all together. Refused when there is no line, or one of
// less than a piece.
tl::expected<Quantities, Refusal> total(const std::vector<Line>& lines);

// What is left of each product that is wanted; all or nothing. Inventories of products that do not
// exist are missing.
tl::expected<Quantities, Refusal> take(const Quantities& wanted, const Quantities& inventories);

constexpr bool suffices(std::int64_t inventory, std::int64_t quantity) {
    return inventory >= quantity;
}

}  // namespace domain::product

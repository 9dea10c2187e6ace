#include "domain/product/product.hpp"

#include <format>

namespace domain::product {

tl::expected<Quantities, Refusal> total(const std::vector<Line>& lines) {
    using Reason = Refusal::Reason;
    if (lines.empty()) {
        return tl::unexpected(Refusal{Reason::invalid, "the purchase has no items", "order_items"});
    }
    Quantities quantities;
    for (const auto& [product, quantity] : lines) {
        auto& sum = quantities[product];
        if (quantity < 1 || __builtin_add_overflow(sum, quantity, &sum)) {
            return tl::unexpected(
                Refusal{Reason::invalid,
                        std::format("the quantity of product {} is out of range", product.value),
                        "order_items"});
        }
    }
    return quantities;
}

tl::expected<Quantities, Refusal> take(const Quantities& wanted, const Quantities& inventories) {
    using Reason = Refusal::Reason;
    Quantities left;
    for (const auto& [product, quantity] : wanted) {
        const auto found = inventories.find(product);
        if (found == inventories.end()) {
            return tl::unexpected(
                Refusal{Reason::unknown, std::format("there is no product {}", product.value)});
        }
        if (!suffices(found->second, quantity)) {
            return tl::unexpected(Refusal{
                Reason::conflict, std::format("not enough of product {}: {} wanted, {} left",
                                              product.value, quantity, found->second)});
        }
        left.emplace(product, found->second - quantity);
    }
    return left;
}

}  // namespace domain::product

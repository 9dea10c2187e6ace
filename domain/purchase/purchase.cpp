#include "domain/purchase/purchase.hpp"

#include <algorithm>
#include <cstdlib>
#include <format>

namespace domain::purchase {
namespace {

std::string field(const Wanted& wanted, std::string_view member) {
    return std::format("order_items[{}].{}", wanted.position, member);
}

// Grows along every way that a saga can go.
int progress(const State& state) {
    const int step = static_cast<int>(state.step);
    const int undone = 2 * (static_cast<int>(Step::create_payment) - step);
    switch (state.status) {
        case Status::execute:
            return 2 * step;
        case Status::success:
            return 2 * step + 1;
        case Status::failed:
            return 6;
        case Status::rollback_failed:
            return 7 + undone;
        case Status::rollback:
            return 8 + undone;
    }
    std::abort();
}

}  // namespace

tl::expected<Purchase, Refusal> place(PurchaseId id, const PlacePurchase& command,
                                      const Offers& offers) {
    Purchase purchase{id, command.customer, {0, command.currency}, {}};
    for (const auto& [product, wanted] : command.wanted) {
        const auto found = offers.find(product);
        if (found == offers.end()) {
            return tl::unexpected(Refusal{Refusal::Reason::unknown,
                                          std::format("there is no product {}", product.value),
                                          field(wanted, "product_id")});
        }
        const auto& offer = found->second;
        if (!offer.in_stock) {
            return tl::unexpected(Refusal{Refusal::Reason::conflict,
                                          std::format("there are fewer than {} of product {}",
                                                      wanted.quantity, product.value),
                                          field(wanted, "quantity")});
        }
        const auto line = multiply({offer.price, command.currency}, wanted.quantity);
        const auto total = line ? add(purchase.amount, *line) : std::nullopt;
        if (!total) {
            return tl::unexpected(Refusal{Refusal::Reason::invalid,
                                          "the amount of the whole purchase is too large",
                                          "order_items"});
        }
        purchase.amount = *total;
        purchase.items.push_back({product, wanted.quantity, offer.price, offer.category, offer.name,
                                  offer.brand_name, offer.description});
    }
    return purchase;
}

bool fulfils(const Purchase& purchase, const PlacePurchase& command) {
    return purchase.customer == command.customer && purchase.amount.currency == command.currency &&
           std::ranges::equal(
               purchase.items, command.wanted, [](const Item& item, const auto& wanted) {
                   return item.product == wanted.first && item.quantity == wanted.second.quantity;
               });
}

std::string_view to_string(Status status) {
    switch (status) {
        case Status::execute:
            return "EXECUTE";
        case Status::success:
            return "SUCCESS";
        case Status::failed:
            return "FAILED";
        case Status::rollback:
            return "ROLLBACK";
        case Status::rollback_failed:
            return "ROLLBACK_FAILED";
    }
    std::abort();
}

std::string_view to_string(Step step) {
    switch (step) {
        case Step::update_product_inventory:
            return "UPDATE_PRODUCT_INVENTORY";
        case Step::create_order:
            return "CREATE_ORDER";
        case Step::create_payment:
            return "CREATE_PAYMENT";
    }
    std::abort();
}

bool moves(const State& from, const State& to) {
    if (from.success) return false;
    return to.success.has_value() || progress(to) > progress(from);
}

}  // namespace domain::purchase

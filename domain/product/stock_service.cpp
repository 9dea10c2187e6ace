#include "domain/product/stock_service.hpp"

#include <outbox/append.hpp>
#include <set>

#include "domain/product/stock_store.hpp"

namespace domain::product {
namespace {

const Command& command_of(const StockInput& input) {
    return std::visit([](const auto& each) -> const Command& { return each.command; }, input);
}

// What some commands are about, as it was found and as it becomes.
class Desk {
public:
    Desk(pqxx::transaction_base& tx, std::span<const StockInput> inputs) : tx_{tx} {
        store::enter(tx);
        std::set<PurchaseId> purchases;
        for (const auto& input : inputs) purchases.insert(command_of(input).id);
        reservations_ = store::find(tx, purchases);
        std::set<ProductId> products;
        for (const auto& [id, reservation] : reservations_)
            for (const auto& [product, quantity] : reservation.items) products.insert(product);
        for (const auto& input : inputs) {
            const auto* wish = std::get_if<Reserve>(&input);
            if (wish == nullptr) continue;
            for (const auto& line : wish->lines) products.insert(line.product);
        }
        found_ = inventories_ = store::lock_inventories(tx, products);
    }

    void operator()(const Reserve& wish) {
        const auto& id = wish.command.id;
        if (!reservations_.contains(id)) {
            const auto taken = take_stock(wish.lines);
            reservations_.emplace(id, taken ? store::Reservation{.items = *taken}
                                            : store::Reservation{taken.error().detail, false, {}});
            added_.insert(id);
        }
        const auto& refusal = reservations_.at(id).refusal;
        answer(wish.command, refusal.empty()
                                 ? tl::expected<void, Refusal>{}
                                 : tl::unexpected(Refusal{Refusal::Reason::conflict, refusal}));
    }
    void operator()(const RollBack& back) {
        const auto& id = back.command.id;
        const auto [at, unknown] = reservations_.try_emplace(
            id, store::Reservation{"the purchase was rolled back before", true, {}});
        auto& [refusal, rolled_back, items] = at->second;
        if (unknown) added_.insert(id);
        if (!rolled_back) {
            for (const auto& [product, quantity] : items) inventories_.at(product) += quantity;
            rolled_back = true;
            if (!added_.contains(id)) returned_.insert(id);
        }
        answer(back.command, {});
    }

    Quantities write() {
        std::map<PurchaseId, store::Reservation> added;
        for (const auto id : added_) added.emplace(id, reservations_.at(id));
        store::insert(tx_, added);
        store::save_rolled_back(tx_, returned_);
        Quantities changed;
        for (const auto& [product, inventory] : inventories_) {
            if (inventory != found_.at(product)) changed.emplace(product, inventory);
        }
        store::save_inventories(tx_, changed);
        outbox::append(tx_, replies_);
        return changed;
    }

private:
    tl::expected<Quantities, Refusal> take_stock(const std::vector<Line>& lines) {
        return total(lines).and_then([&](const Quantities& wanted) {
            return take(wanted, inventories_).map([&](const Quantities& left) {
                for (const auto& [product, quantity] : left) inventories_.at(product) = quantity;
                return wanted;
            });
        });
    }
    void answer(const Command& command, const tl::expected<void, Refusal>& outcome) {
        replies_.push_back(reply(command, outcome));
    }

    pqxx::transaction_base& tx_;
    std::map<PurchaseId, store::Reservation> reservations_;
    std::set<PurchaseId> added_, returned_;
    Quantities found_, inventories_;
    std::vector<outbox::Event> replies_;
};

}  // namespace

Quantities hear(pqxx::transaction_base& tx, std::span<const StockInput> inputs) {
    Desk desk{tx, inputs};
    for (const auto& input : inputs) std::visit([&](const auto& each) { desk(each); }, input);
    return desk.write();
}

}  // namespace domain::product

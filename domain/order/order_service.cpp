#include "domain/order/order_service.hpp"

#include <format>
#include <outbox/append.hpp>
#include <set>

#include "domain/transact.hpp"

namespace domain::order {
namespace {

constexpr auto rolled_back = "the purchase was rolled back";

OrderId order_of(const Input& input) {
    if (const auto* create = std::get_if<Create>(&input)) return create->order.id;
    if (const auto* back = std::get_if<RollBack>(&input)) return OrderId{back->command.id.value};
    return std::get<PurchaseResult>(input).order;
}

// The orders that some events are about, as they were found and as they become.
class Desk {
public:
    Desk(pqxx::transaction_base& tx, std::span<const Input> inputs) : tx_{tx} {
        std::set<OrderId> ids;
        for (const auto& input : inputs) ids.insert(order_of(input));
        orders_ = store::lock(tx, ids);
    }

    tl::expected<void, Refusal> operator()(const Create& input) {
        const auto before = orders_.find(input.order.id);
        if (before != orders_.end()) return answer(input.command, created_before(before->second));
        const auto created = create(input.order);
        if (created) add(*created, input.order.products);
        return answer(input.command, created.map([](const Order&) {}));
    }
    tl::expected<void, Refusal> operator()(const RollBack& input) {
        const OrderId id{input.command.id.value};
        if (!orders_.contains(id)) {
            add(tombstone(id), {});
            return answer(input.command, {});
        }
        return answer(input.command, settle(id, cancel_it));
    }
    tl::expected<void, Refusal> operator()(const PurchaseResult& input) {
        if (!input.success) return {};
        if (*input.success) return settle(input.order, pay);
        // A purchase that failed before its order was to be created has none.
        if (!orders_.contains(input.order)) return {};
        return settle(input.order, cancel_it);
    }

    void write() {
        std::vector<store::View> added;
        std::vector<Order> settled;
        for (const auto& [id, order] : orders_) {
            if (const auto products = added_.find(id); products != added_.end()) {
                added.push_back({order, products->second});
            } else if (settled_.contains(id)) {
                settled.push_back(order);
            }
        }
        store::insert(tx_, added);
        store::save_status(tx_, settled);
        outbox::append(tx_, replies_);
    }

private:
    static tl::expected<Order, Refusal> cancel_it(Order order) {
        return cancel(std::move(order), rolled_back);
    }
    void add(const Order& order, const std::vector<Product>& products) {
        orders_.emplace(order.id, order);
        added_.emplace(order.id, products);
    }
    tl::expected<void, Refusal> answer(const Command& command,
                                       const tl::expected<void, Refusal>& outcome) {
        replies_.push_back(reply(command, outcome));
        return {};
    }
    template <class Decide>
    tl::expected<void, Refusal> settle(OrderId id, Decide decide) {
        const auto order = orders_.find(id);
        if (order == orders_.end()) {
            return tl::unexpected(
                Refusal{Refusal::Reason::unknown, std::format("there is no order {}", id.value)});
        }
        return decide(order->second).map([&](const Order& settled) {
            if (settled == order->second) return;
            order->second = settled;
            settled_.insert(id);
        });
    }

    pqxx::transaction_base& tx_;
    std::map<OrderId, Order> orders_;
    std::map<OrderId, std::vector<Product>> added_;
    std::set<OrderId> settled_;
    std::vector<outbox::Event> replies_;
};

}  // namespace

std::optional<store::View> find(Pool& pool, OrderId id) {
    return query(pool, [&](auto& tx) { return store::view(tx, id); });
}

tl::expected<void, Refusal> hear(pqxx::transaction_base& tx, std::span<const Input> inputs) {
    Desk desk{tx, inputs};
    for (const auto& input : inputs) {
        if (const auto heard = std::visit([&](const auto& each) { return desk(each); }, input);
            !heard)
            return heard;
    }
    desk.write();
    return {};
}

}  // namespace domain::order

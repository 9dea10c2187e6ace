#include "domain/order/order.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <format>

namespace domain::order {

std::string_view to_string(Status status) {
    switch (status) {
        case Status::pending:
            return "PENDING";
        case Status::paid:
            return "PAID";
        case Status::cancelled:
            return "CANCELLED";
    }
    std::abort();
}

Status parse_status(std::string_view text) {
    for (const auto status : {Status::pending, Status::paid, Status::cancelled}) {
        if (text == to_string(status)) return status;
    }
    std::fputs("domain: an order with an unknown status\n", stderr);
    std::abort();
}

tl::expected<Order, Refusal> create(const CreateOrder& command) {
    const auto refuse = [](std::string detail) {
        return tl::unexpected(Refusal{Refusal::Reason::invalid, std::move(detail), "order_items"});
    };
    if (command.amount.minor < 0) return refuse("the amount is negative");
    if (command.products.empty() || command.products.size() > max_items)
        return refuse(std::format("an order has 1 to {} items", max_items));
    Order order{command.id, command.customer, Status::pending, command.amount, {}};
    for (const auto& [line, category, name, brand_name, description] : command.products) {
        if (line.quantity < 1 || line.quantity > max_quantity || line.price < 0)
            return refuse(
                std::format("product {} has no possible quantity or price", line.product.value));
        order.lines.push_back(line);
    }
    std::ranges::sort(order.lines, {}, &Line::product);
    const auto twice = std::ranges::adjacent_find(order.lines, {}, &Line::product);
    if (twice != order.lines.end())
        return refuse(std::format("product {} is listed twice", twice->product.value));
    return order;
}

Order tombstone(OrderId id) {
    const auto no_currency = Currency::parse("XXX").value();  // ISO 4217's own code for it
    return {id,
            CustomerId{0},
            Status::cancelled,
            {0, no_currency},
            {},
            "rolled back before it was created",
            true};
}

tl::expected<void, Refusal> created_before(const Order& order) {
    if (!order.never_created) return {};
    return tl::unexpected(Refusal{
        Refusal::Reason::conflict,
        std::format("purchase {} was rolled back before its order was created", order.id.value)});
}

tl::expected<Order, Refusal> pay(Order order) {
    if (order.status == Status::cancelled) {
        return tl::unexpected(
            Refusal{Refusal::Reason::conflict,
                    std::format("order {} is cancelled already", order.id.value)});
    }
    order.status = Status::paid;
    return order;
}

tl::expected<Order, Refusal> cancel(Order order, std::string reason) {
    if (order.status == Status::paid) {
        return tl::unexpected(Refusal{Refusal::Reason::conflict,
                                      std::format("order {} is paid already", order.id.value)});
    }
    if (order.status == Status::cancelled) return order;
    order.status = Status::cancelled;
    order.cancel_reason = std::move(reason);
    return order;
}

}  // namespace domain::order

#include "domain/order/order.hpp"

#include <gtest/gtest.h>

#include "domain/order/order_events.hpp"

namespace domain::order {
namespace {

const Currency euro = Currency::parse("EUR").value();
const PlaceOrder two_pens_and_ink{CustomerId{3}, {{ProductId{1}, 2}, {ProductId{2}, 1}}, euro};

Order placed() {
    return place(OrderId{42}, two_pens_and_ink, {{ProductId{1}, 4900}, {ProductId{2}, 1250}})
        .value();
}

TEST(Order, CostsTheSumOfItsLinesAndWaitsForPayment) {
    const auto order = placed();
    EXPECT_EQ(order.amount, (Money{11050, euro}));
    EXPECT_EQ(order.status, Status::pending);
    EXPECT_EQ(order.lines, (std::vector<Line>{{ProductId{1}, 2, 4900}, {ProductId{2}, 1, 1250}}));
}

TEST(Order, IsRefusedWhenAProductIsUnknown) {
    const auto refused = place(OrderId{42}, two_pens_and_ink, {{ProductId{1}, 4900}});
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error(), (Refusal{Refusal::Reason::unknown, "there is no product 2"}));
}

TEST(Order, IsRefusedWhenALineOrTheSumOverflows) {
    for (const auto& prices : {Prices{{ProductId{1}, INT64_MAX}, {ProductId{2}, 0}},
                               Prices{{ProductId{1}, INT64_MAX / 2}, {ProductId{2}, 2}}}) {
        const auto refused = place(OrderId{42}, two_pens_and_ink, prices);
        ASSERT_FALSE(refused);
        EXPECT_EQ(refused.error().reason, Refusal::Reason::invalid);
        EXPECT_EQ(refused.error().field, "order_items");
    }
}

TEST(Order, FulfilsOnlyTheRequestThatItCameFrom) {
    EXPECT_TRUE(fulfils(placed(), two_pens_and_ink));
    auto other = two_pens_and_ink;
    other.quantities[ProductId{1}] = 3;
    EXPECT_FALSE(fulfils(placed(), other));
    other = two_pens_and_ink;
    other.quantities.erase(ProductId{2});
    EXPECT_FALSE(fulfils(placed(), other));
    other = two_pens_and_ink;
    other.currency = Currency::parse("USD").value();
    EXPECT_FALSE(fulfils(placed(), other));
}

TEST(Order, EndsOnceAndIgnoresTheSameEndAgain) {
    const auto paid = pay(placed()).value();
    EXPECT_EQ(paid.status, Status::paid);
    EXPECT_EQ(pay(paid), paid);
    EXPECT_EQ(cancel(paid, "late").error().reason, Refusal::Reason::conflict);

    const auto cancelled = cancel(placed(), "over the limit").value();
    EXPECT_EQ(cancelled.status, Status::cancelled);
    EXPECT_EQ(cancelled.cancel_reason, "over the limit");
    EXPECT_EQ(cancel(cancelled, "another reason"), cancelled);
    EXPECT_EQ(pay(cancelled).error().reason, Refusal::Reason::conflict);
}

TEST(Order, NamesItsStatusTheSameWayBothWays) {
    for (const auto status : {Status::pending, Status::paid, Status::cancelled}) {
        EXPECT_EQ(parse_status(to_string(status)), status);
    }
}

TEST(OrderEvents, TellOfAPlacedOrderInVersionOne) {
    EXPECT_EQ(
        order_placed(placed()),
        R"({"amount":11050,"currency_code":"EUR","customer_id":3,"items":[)"
        R"({"price":4900,"product_id":1,"quantity":2},{"price":1250,"product_id":2,"quantity":1}],)"
        R"("order_id":42,"version":1})");
}

TEST(OrderEvents, ReadPaymentsAnswersAndIgnoreWhatTheyDoNotKnow) {
    EXPECT_EQ(read_payment_taken(R"({"version":1,"order_id":42,"new":[]})")->order, OrderId{42});
    const auto declined = read_payment_declined(R"({"version":1,"order_id":42,"reason":"no"})");
    EXPECT_EQ(declined->order, OrderId{42});
    EXPECT_EQ(declined->reason, "no");
}

TEST(OrderEvents, RefuseWhatIsNotTheEventItShouldBe) {
    for (const auto* wrong :
         {"", "{", "[]", "null", R"({"order_id":42})", R"({"version":2,"order_id":42})",
          R"({"version":1})", R"({"version":1,"order_id":"42"})", R"({"version":1,"order_id":1.5})",
          R"({"version":1,"order_id":9223372036854775808})"}) {
        EXPECT_FALSE(read_payment_taken(wrong)) << wrong;
    }
    EXPECT_FALSE(read_payment_declined(R"({"version":1,"order_id":42,"reason":7})"));
}

}  // namespace
}  // namespace domain::order

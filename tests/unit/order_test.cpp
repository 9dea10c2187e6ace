#include "domain/order/order.hpp"

#include <gtest/gtest.h>

#include "domain/order/order_events.hpp"

namespace domain::order {
namespace {

const Currency euro = Currency::parse("EUR").value();
Order created() {
    return create(
               {OrderId{42}, CustomerId{3}, {500, euro}, {{{ProductId{7}, 2, 250}, 1, "", "", ""}}})
        .value();
}

TEST(Order, EndsOnceAndIgnoresTheSameEndAgain) {
    const auto paid = pay(created()).value();
    EXPECT_EQ(paid.status, Status::paid);
    EXPECT_EQ(pay(paid), paid);
    EXPECT_EQ(cancel(paid, "late").error().reason, Refusal::Reason::conflict);

    const auto cancelled = cancel(created(), "over the limit").value();
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

TEST(OrderEvents, RefuseWhatIsNotTheEventItShouldBe) {
    EXPECT_EQ(
        read_purchase_result(R"({"version":1,"purchase_id":42,"success":null,"new":[]})")->order,
        OrderId{42});
    for (const auto* wrong :
         {"", "{", "[]", "null", R"({"purchase_id":42,"success":true})",
          R"({"version":2,"purchase_id":42,"success":true})", R"({"version":1,"success":true})",
          R"({"version":1,"purchase_id":"42","success":true})",
          R"({"version":1,"purchase_id":1.5,"success":true})",
          R"({"version":1,"purchase_id":9223372036854775808,"success":true})",
          R"({"version":1,"purchase_id":42,"success":1})"}) {
        EXPECT_FALSE(read_purchase_result(wrong)) << wrong;
    }
}

}  // namespace
}  // namespace domain::order

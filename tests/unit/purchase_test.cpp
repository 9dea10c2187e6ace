#include "domain/purchase/purchase.hpp"

#include <gtest/gtest.h>

#include "domain/purchase/purchase_events.hpp"
#include "http/purchase/event_stream.hpp"

namespace domain::purchase {
namespace {

const Currency euro = Currency::parse("EUR").value();
const PlacePurchase ink_and_pens{
    CustomerId{3}, {{ProductId{1}, {2, 1}}, {ProductId{2}, {1, 0}}}, euro};
const Offer pen{true, 4900, 7, "Fountain pen", "Quillworks", "Steel nib"};
const Offer ink{true, 1250, 7, "Ink", "Quillworks", "Blue-black"};

Offers offers() { return {{ProductId{1}, pen}, {ProductId{2}, ink}}; }

TEST(Purchase, CostsTheSumOfItsItems) {
    const auto purchase = place(PurchaseId{42}, ink_and_pens, offers()).value();
    EXPECT_EQ(purchase.amount, (Money{11050, euro}));
    ASSERT_EQ(purchase.items.size(), 2U);
    EXPECT_EQ(purchase.items[0].price, 4900);
    EXPECT_EQ(purchase.items[0].name, "Fountain pen");
}

TEST(Purchase, NamesTheItemWhoseProductIsUnknownOrOutOfStock) {
    auto without = offers();
    without.erase(ProductId{1});
    const auto unknown = place(PurchaseId{42}, ink_and_pens, without);
    ASSERT_FALSE(unknown);
    EXPECT_EQ(unknown.error(), (Refusal{Refusal::Reason::unknown, "there is no product 1",
                                        "order_items[1].product_id"}));
    auto few = offers();
    few.at(ProductId{2}).in_stock = false;
    const auto refused = place(PurchaseId{42}, ink_and_pens, few);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().reason, Refusal::Reason::conflict);
    EXPECT_EQ(refused.error().field, "order_items[0].quantity");
}

TEST(Purchase, IsRefusedWhenALineOrTheSumOverflows) {
    for (const auto& [first, second] :
         {std::pair{INT64_MAX, std::int64_t{0}}, std::pair{INT64_MAX / 2, std::int64_t{2}}}) {
        auto dear = offers();
        dear.at(ProductId{1}).price = first;
        dear.at(ProductId{2}).price = second;
        const auto refused = place(PurchaseId{42}, ink_and_pens, dear);
        ASSERT_FALSE(refused);
        EXPECT_EQ(refused.error().reason, Refusal::Reason::invalid);
        EXPECT_EQ(refused.error().field, "order_items");
    }
}

TEST(Purchase, CostsNothingWhenItsProductsAreFree) {
    auto gifts = offers();
    gifts.at(ProductId{1}).price = gifts.at(ProductId{2}).price = 0;
    EXPECT_EQ(place(PurchaseId{42}, ink_and_pens, gifts).value().amount.minor, 0);
}

TEST(Purchase, FulfilsOnlyTheRequestThatItCameFrom) {
    const auto purchase = place(PurchaseId{42}, ink_and_pens, offers()).value();
    EXPECT_TRUE(fulfils(purchase, ink_and_pens));
    auto other = ink_and_pens;
    other.wanted.at(ProductId{1}).position = 5;  // the same things, in another order
    EXPECT_TRUE(fulfils(purchase, other));
    other.wanted.at(ProductId{1}).quantity = 3;
    EXPECT_FALSE(fulfils(purchase, other));
    other = ink_and_pens;
    other.currency = Currency::parse("USD").value();
    EXPECT_FALSE(fulfils(purchase, other));
}

TEST(Purchase, MovesAlongTheSagaAndNeverBack) {
    using enum Status;
    using enum Step;
    const std::vector<State> well{{execute, update_product_inventory},
                                  {success, update_product_inventory},
                                  {execute, create_order},
                                  {success, create_order},
                                  {execute, create_payment},
                                  {success, create_payment, true}};
    const std::vector<State> ill{
        {execute, create_payment},  {failed, create_payment},
        {rollback, create_payment}, {rollback_failed, create_order},
        {rollback, create_order},   {rollback, update_product_inventory, false}};
    for (const auto& way : {well, ill}) {
        for (std::size_t from = 0; from < way.size(); ++from) {
            for (std::size_t to = 0; to < way.size(); ++to)
                EXPECT_EQ(moves(way[from], way[to]), from < to) << from << " to " << to;
        }
    }
    EXPECT_FALSE(moves(well.back(), ill.back()));
    EXPECT_FALSE(moves(ill.back(), well.back()));
    // A saga may end without a word about each step.
    EXPECT_TRUE(moves({failed, create_order}, {failed, create_order, false}));
}

TEST(PurchaseJson, TellOfAPurchaseInVersionOne) {
    const auto purchase = place(PurchaseId{42}, ink_and_pens, offers()).value();
    const auto now = std::chrono::sys_days{std::chrono::year{2026} / 11 / 21} +
                     std::chrono::milliseconds{3'661'007};
    EXPECT_EQ(create_purchase(purchase, now),
              R"({"purchase":{"order":{"customer_id":3,"order_items":[)"
              R"({"brand_name":"Quillworks","category_id":7,"description":"Steel nib",)"
              R"("name":"Fountain pen","price":4900,"product_id":1,"quantity":2},)"
              R"({"brand_name":"Quillworks","category_id":7,"description":"Blue-black",)"
              R"("name":"Ink","price":1250,"product_id":2,"quantity":1}]},)"
              R"("payment":{"amount":11050,"currency_code":"EUR"}},"purchase_id":42,)"
              R"("timestamp":"2026-11-21T01:01:01.007Z","version":1})");
}

TEST(PurchaseJson, ReadResultsAndIgnoreWhatTheyDoNotKnow) {
    const auto change = read_purchase_result(
        R"({"version":1,"purchase_id":42,"status":3,"step":1,"success":false,"new":[],)"
        R"("timestamp":"2026-11-21T01:01:01.007Z"})");
    ASSERT_TRUE(change) << change.error();
    EXPECT_EQ(change->id, PurchaseId{42});
    EXPECT_EQ(change->state, (State{Status::rollback, Step::create_order, false}));
    EXPECT_EQ(to_text(change->at), "2026-11-21T01:01:01.007Z");
    const auto under_way =
        read_purchase_result(R"({"version":1,"purchase_id":42,"status":0,"step":0,"success":null,)"
                             R"("timestamp":"2026-11-21T01:01:01.007Z"})");
    ASSERT_TRUE(under_way) << under_way.error();
    EXPECT_FALSE(under_way->state.success);
}

TEST(PurchaseJson, RefuseWhatIsNotTheResultItShouldBe) {
    const std::string rest = R"(,"timestamp":"2026-11-21T01:01:01.007Z"})";
    for (const auto& wrong :
         {std::string{"{"},
          R"({"version":2,"purchase_id":1,"status":0,"step":0,"success":null)" + rest,
          R"({"version":1,"purchase_id":1,"status":5,"step":0,"success":null)" + rest,
          R"({"version":1,"purchase_id":1,"status":-1,"step":0,"success":null)" + rest,
          R"({"version":1,"purchase_id":1,"status":0,"step":3,"success":null)" + rest,
          R"({"version":1,"purchase_id":1,"status":0,"step":0,"success":1)" + rest,
          R"({"version":1,"purchase_id":1,"status":0,"step":0)" + rest,
          std::string{R"({"version":1,"purchase_id":1,"status":0,"step":0,"success":null,)"
                      R"("timestamp":"yesterday"})"}}) {
        EXPECT_FALSE(read_purchase_result(wrong)) << wrong;
    }
}

TEST(LastEventId, IsANumberOfOursOrNothing) {
    EXPECT_EQ(http::purchase::last_event_id("17"), 17);
    for (const auto* other : {"", "0", "-1", "1x", "x", " 1", "9223372036854775808"})
        EXPECT_EQ(http::purchase::last_event_id(other), 0) << other;
}

}  // namespace
}  // namespace domain::purchase

// The saga's commands about stock, through Kafka and a real consumer.

#include <algorithm>
#include <atomic>
#include <nlohmann/json.hpp>
#include <random>
#include <thread>

#include "http/product/product_routes.hpp"
#include "integration/product_fixture.hpp"
#include "outbox/consumer.hpp"
#include "support/kafka.hpp"
#include "support/wait.hpp"

namespace {

using nlohmann::json;
using std::chrono::seconds;
using support::Draft;
using Items = std::vector<std::pair<int, int>>;  // product, quantity

constexpr auto update = "UpdateProductInventory";
constexpr auto rollback = "RollbackProductInventory";

Draft draft(const char* type, int purchase, const json& body) {
    return {.key = std::to_string(purchase),
            .value = body.dump(),
            .headers = {{"id", outbox::EventId::make().to_string()},
                        {"type", type},
                        {"correlation-id", "cart-17"}}};
}

Draft command(const char* type, int purchase, const Items& items) {
    auto lines = json::array();
    for (const auto& [product, quantity] : items) {
        lines.push_back({{"product_id", product}, {"quantity", quantity}});
    }
    const json bought{{"order", {{"customer_id", 7}, {"order_items", std::move(lines)}}},
                      {"payment", {{"currency_code", "EUR"}, {"amount", 1}}}};
    return draft(type, purchase,
                 {{"version", 1},
                  {"timestamp", "2026-01-01T00:00:00.000Z"},
                  {"purchase_id", purchase},
                  {"purchase", bought}});
}

class StockTest : public integration::ProductTest {
protected:
    StockTest() {
        support::create_topic(updates, 3);
        support::create_topic(rollbacks, 3);
        http::product::subscribe(consumer, cache_);
        consuming = std::jthread{[this](const std::stop_token& stop) { consumer.run(stop); }};
    }

    void say(const std::vector<Draft>& drafts) {
        std::vector<Draft> first, second;
        for (const auto& each : drafts) {
            (each.headers.at("type") == update ? first : second).push_back(each);
        }
        support::produce(updates, first);
        support::produce(rollbacks, second);
    }
    void await_replies(int count) {
        support::eventually(seconds{60}, std::to_string(count) + " replies",
                            [&] { return ask<int>("select count(*) from outbox.event") >= count; });
        EXPECT_EQ(ask<int>("select count(*) from outbox.event"), count);
    }
    // The next one in the order of the answers; empty: success.
    std::string told(const Draft& said) {
        const auto before = ask<int>("select count(*) from outbox.event");
        say({said});
        await_replies(before + 1);
        const auto reply = json::parse(
            ask<std::string>("select to_jsonb(e) from outbox.event e order by seq desc limit 1"));
        const auto& payload = reply["payload"];
        EXPECT_EQ(reply["aggregatetype"], "reply");
        EXPECT_EQ(reply["type"], "Reply");
        EXPECT_EQ(reply["aggregateid"], *said.key);
        EXPECT_EQ(reply["headers"]["handler"], said.headers.at("type"));
        EXPECT_EQ(reply["headers"]["correlation-id"], "cart-17");
        EXPECT_EQ(payload["success"], payload["error_message"] == "");
        EXPECT_EQ(std::to_string(payload["purchase_id"].get<int>()), *said.key);
        return payload["error_message"];
    }
    void await_a_dead_letter() {
        support::eventually(seconds{60}, "a dead letter",
                            [&] { return ask<int>("select count(*) from inbox.dead") == 1; });
    }
    int winners() {
        return ask<int>("select count(*) from outbox.event where payload->>'success' = 'true'");
    }

    std::atomic<int> deadlocks = 0;
    std::string prefix = support::unique_name("stock") + ".";
    std::string updates = prefix + "update-product-inventory";
    std::string rollbacks = prefix + "rollback-product-inventory";
    outbox::Consumer consumer{
        {.name = prefix + "product",
         .dsn = pool_.dsn(),
         .brokers = support::kafka(),
         .topics = {updates, rollbacks},
         .kafka = {{"session.timeout.ms", "6000"}},
         .log = [this](auto line) { deadlocks += line.contains("deadlock"); }}};
    std::jthread consuming;
};

TEST_F(StockTest, ReservesAllOrNothingDownToTheLastUnit) {
    stock(1, 5);
    stock(2, 1);
    EXPECT_EQ(told(command(update, 1, {{2, 1}, {1, 2}})), "");
    EXPECT_EQ(told(command(update, 2, {{1, 1}, {2, 1}})),
              "not enough of product 2: 1 wanted, 0 left");
    EXPECT_EQ(told(command(update, 3, {{1, 1}, {99, 1}})), "there is no product 99");
    EXPECT_EQ(told(command(update, 4, {{1, 2}, {1, 1}})), "");
    EXPECT_EQ(left(1), 0);
    EXPECT_EQ(left(2), 0);
}

TEST_F(StockTest, AnswersARepeatedCommandAsAtFirst) {
    stock(1, 5);
    EXPECT_EQ(told(command(update, 1, {{1, 3}})), "");
    EXPECT_EQ(told(command(update, 2, {{1, 3}})), "not enough of product 1: 3 wanted, 2 left");
    stock(1, 1000);
    EXPECT_EQ(told(command(update, 1, {{1, 3}})), "");
    EXPECT_EQ(told(command(update, 2, {{1, 3}})), "not enough of product 1: 3 wanted, 2 left");
    EXPECT_EQ(left(1), 1000);
}

TEST_F(StockTest, GivesBackOnceWhatWasReserved) {
    stock(1, 5);
    EXPECT_EQ(told(command(update, 1, {{1, 3}})), "");
    EXPECT_EQ(told(command(rollback, 1, {{1, 3}})), "");
    EXPECT_EQ(left(1), 5);
    EXPECT_EQ(told(command(rollback, 1, {{1, 3}})), "");
    EXPECT_EQ(told(command(update, 2, {{1, 9}})), "not enough of product 1: 9 wanted, 5 left");
    EXPECT_EQ(told(command(rollback, 2, {{1, 9}})), "");
    EXPECT_EQ(left(1), 5);
    // Its first answer, and no stock again.
    EXPECT_EQ(told(command(update, 1, {{1, 3}})), "");
    EXPECT_EQ(left(1), 5);
}

TEST_F(StockTest, RefusesACommandThatComesAfterItsRollback) {
    stock(1, 5);
    EXPECT_EQ(told(draft(rollback, 1, {{"version", 1}, {"purchase_id", 1}})), "");
    EXPECT_EQ(told(command(update, 1, {{1, 3}})), "the purchase was rolled back before");
    EXPECT_EQ(told(command(update, 1, {{1, 3}})), "the purchase was rolled back before");
    EXPECT_EQ(left(1), 5);
}

TEST_F(StockTest, RefusesWhatCannotBeReservedAndParksWhatCannotBeRead) {
    EXPECT_EQ(told(command(update, 1, {})), "the purchase has no items");
    EXPECT_EQ(told(command(update, 2, {{1, 0}})), "the quantity of product 1 is out of range");
    EXPECT_EQ(told(command(rollback, 2, {})), "");
    say({draft(update, 3, {{"version", 1}, {"purchase_id", 3}})});
    await_a_dead_letter();
    EXPECT_EQ(told(command(update, 4, {{1, 1}})), "");
}

TEST_F(StockTest, ConservesStockUnderConcurrentDuplicatesAndRollbacks) {
    for (const auto product : {1, 2, 3}) stock(product, 100);
    const auto seed = std::random_device{}();
    std::mt19937 random{seed};
    const auto upto = [&](int most) { return static_cast<int>(random() % most) + 1; };
    std::vector<Draft> drafts;
    for (int purchase = 1; purchase <= 120; ++purchase) {
        Items items{{upto(3), upto(4)}, {upto(3), upto(4)}};
        for (int copy = 0; copy < 3; ++copy) drafts.push_back(command(update, purchase, items));
        for (int copy = 0; purchase % 3 == 0 && copy < 2; ++copy) {
            drafts.push_back(command(rollback, purchase, items));
        }
    }
    std::ranges::shuffle(drafts, random);
    say(drafts);
    await_replies(static_cast<int>(drafts.size()));

    EXPECT_EQ(ask<std::string>("select string_agg((p.inventory + taken)::text, ' ' order by p.id)"
                               " from products p, lateral (select coalesce(sum(i.quantity), 0)"
                               " as taken from reservation_items i join reservations r using"
                               " (purchase_id) where i.product_id = p.id and not r.rolled_back) t"
                               " where p.id <= 3"),
              "100 100 100")
        << "seed " << seed;
    EXPECT_EQ(ask<int>("select count(*) from (select from outbox.event"
                       " group by aggregateid, headers->>'handler'"
                       " having count(distinct payload->>'error_message') > 1) differing"),
              0)
        << "seed " << seed;
    EXPECT_EQ(deadlocks, 0) << "seed " << seed;
    EXPECT_EQ(ask<int>("select count(*) from reservations where rolled_back"), 40);
    EXPECT_GT(ask<int>("select count(*) from reservations where refusal like 'not enough%'"), 0);
}

// Row 32 of the fault table.
class LastUnit : public StockTest {};

TEST_F(LastUnit, IsBoughtByExactlyOneOfTwoHundred) {
    stock(1, 1);
    pqxx::work holder{super_};
    holder.exec("select from products where id = 1 for update").one_row();
    std::vector<Draft> drafts;
    for (int buyer = 1; buyer <= 200; ++buyer) drafts.push_back(command(update, buyer, {{1, 1}}));
    support::produce(updates, drafts);
    pqxx::connection watcher{database_.dsn()};
    support::eventually(seconds{30}, "buyers to come at the same time", [&] {
        return pqxx::nontransaction{watcher}.query_value<int>(
                   "select count(*) from pg_locks where not granted") >= 2;
    });
    holder.commit();
    await_replies(200);
    EXPECT_EQ(winners(), 1) << "winners=" << winners();
    EXPECT_EQ(left(1), 0);
}

}  // namespace

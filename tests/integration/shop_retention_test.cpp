// What the services forget by and by, and what they raise an alarm for.

#include <gtest/gtest.h>

#include <format>
#include <pqxx/pqxx>

#include "integration/raw_http.hpp"
#include "integration/shop_process.hpp"
#include "support/wait.hpp"

namespace {

using std::chrono::seconds;

class ShopRetention : public testing::Test {
protected:
    static void tell(const support::Database& database, const std::string& statements) {
        pqxx::connection connection{database.dsn()};
        pqxx::nontransaction{connection}.exec(statements);
    }
    template <class Value>
    static Value ask(const support::Database& database, const std::string& query) {
        pqxx::connection connection{database.dsn()};
        return pqxx::nontransaction{connection}.query_value<Value>(query);
    }

    support::ShopDatabases databases_{{"orchestrator", "payment", "purchase"}};
    const support::Database& sagas_ = databases_.of("orchestrator");
    const support::Database& payments_ = databases_.of("payment");
    const support::Database& purchases_ = databases_.of("purchase");
};

TEST_F(ShopRetention, ForgetsSagasThatEndedLongAgo) {
    // 250 that ended long ago: more than two batches. One that ended lately, one that has not.
    tell(sagas_, R"(
        insert into saga.instance (id, state, step, tries, covered, deadline, purchase, traceparent,
                                   correlation_id, updated_at)
        select n, case n when 252 then 'EXECUTING' else 'COMPLETED' end, 2, 1, -1,
               case n when 252 then now() + interval '1 day' end, '{}', '', '',
               now() - interval '1 day' * case n when 251 then 29 else 31 end
        from generate_series(1, 252) n;
        insert into saga.step (saga_id, input, traceparent, decision)
        select id, 'CreatePurchase', '', '' from saga.instance;
        insert into saga.audit (saga_id, action, reason) values (1, 'retry', 'a test'), (252, 'retry', 'a test'))");
    EXPECT_THROW(ask<int>(sagas_, "select saga.forget('8 days', 1)"), pqxx::sql_error);
    const support::ShopProcess shop{databases_, {"orchestrator"}};
    support::eventually(seconds{20}, "all but two sagas to be forgotten", [&] {
        return ask<int>(sagas_, "select count(*) from saga.instance") == 2;
    });
    EXPECT_EQ(
        ask<std::string>(sagas_, "select string_agg(id::text, ' ' order by id) from saga.instance"),
        "251 252");
    EXPECT_EQ(ask<int>(sagas_, "select count(*) from saga.step"), 2);
    EXPECT_EQ(ask<int>(sagas_, "select count(*) from saga.audit"), 1);
}

TEST_F(ShopRetention, ForgetsHowPurchasesWentButNotHowTheyEnded) {
    // By their numbers all of 40 days ago: 150 that ended 31 days ago, one 29, and one that has
    // not.
    tell(purchases_, R"(
        insert into purchases (id, customer_id, currency_code, amount, status, step, success, last_seq, updated_at)
        select ((extract(epoch from now() - interval '40 days' - '2014-09-01 00:00Z'::timestamptz) * 100)::bigint
                << 24) + n, 7, 'EUR', 1, 1, 2, case n when 152 then null else true end, 6,
               now() - interval '1 day' * case n when 151 then 29 else 31 end
        from generate_series(1, 152) n;
        insert into purchase_event (purchase_id, seq, step, status, success, at)
        select id, seq, (seq - 1) / 2, (seq - 1) % 2, case seq when 6 then success end, updated_at
        from purchases, generate_series(1, 6) seq)");
    const support::ShopProcess shop{databases_, {"purchase"}};
    support::eventually(seconds{20}, "the events of all but two purchases to be forgotten", [&] {
        return ask<int>(purchases_, "select count(*) from purchase_event") == 12;
    });
    EXPECT_EQ(ask<int>(purchases_, "select count(*) from purchases"), 152);
    const auto oldest = ask<std::int64_t>(purchases_, "select min(id) from purchases");
    const auto answer = support::request(shop.address("purchase"), "GET",
                                         std::format("/api/v1/purchases/{}/events", oldest), "",
                                         {{"Authorization", "Bearer " + support::token_of(7)}});
    EXPECT_EQ(answer.status, 200);
    EXPECT_TRUE(answer.body.starts_with("id: 6\nevent: data\n")) << answer.body;
    EXPECT_TRUE(answer.body.contains(R"("step":"CREATE_PAYMENT","status":"SUCCESS")"))
        << answer.body;
    EXPECT_TRUE(answer.body.contains(R"("success":true)")) << answer.body;
}

TEST_F(ShopRetention, TellsOfPaymentsThatWaitForTooLong) {
    tell(payments_, R"(
        insert into payments (id, customer_id, currency_code, amount, status, provider, taken, rolled_back, due_at,
                              updated_at)
        select n, 7, 'EUR', 1, case when n < 3 then 'PENDING' else 'REFUNDING' end, 'stripe', n > 2, n > 2, now(),
               now() - interval '1 minute' * case n when 1 then 59 else 61 end
        from generate_series(1, 4) n)");
    support::ShopProcess shop{databases_, {"payment"}};
    support::eventually(seconds{20}, "a line in the log", [&] {
        return shop.process().output().contains(R"("pending":1,"refunding":2)");
    });
    const auto metrics = support::request(shop.address("payment"), "GET", "/metrics").body;
    EXPECT_TRUE(metrics.contains(R"(payment_overdue{status="PENDING"} 1)")) << metrics;
    EXPECT_TRUE(metrics.contains(R"(payment_overdue{status="REFUNDING"} 2)")) << metrics;
}

}  // namespace

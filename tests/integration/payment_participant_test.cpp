// Payment in the purchase saga, by commands from Kafka, with the local ledger.

#include <algorithm>
#include <atomic>
#include <map>
#include <random>

#include "domain/payment/ledger.hpp"
#include "domain/payment/payment_service.hpp"
#include "domain/transact.hpp"
#include "http/payment/payment_commands.hpp"
#include "http/payment/payment_routes.hpp"
#include "integration/participant_fixture.hpp"

namespace integration {
namespace {

class PaymentParticipant : public ParticipantTest {
protected:
    PaymentParticipant() : ParticipantTest{"payment"} {
        start([this](outbox::Consumer& consumer) {
            http::payment::subscribe_to_saga(consumer, ledger_, cache_);
        });
    }
    using Input = domain::payment::Input;
    static domain::Command told(std::int64_t id, const char* type) {
        return {domain::PurchaseId{id}, type, "null", {{"traceparent", "00-1"}}};
    }
    // Its customer is one of three, who have no account in the books before.
    static Input create(std::int64_t id, std::int64_t amount) {
        return domain::payment::Create{{domain::PaymentId{id},
                                        domain::CustomerId{id % 3 + 1},
                                        {amount, domain::Currency::parse("EUR").value()}},
                                       told(id, "CreatePayment")};
    }
    static Input roll_back(std::int64_t id) {
        return domain::payment::RollBack{told(id, "RollbackPayment")};
    }
    void hear(const std::vector<Input>& batch) {
        transact(pool_, [&](pqxx::work& tx) {
            domain::payment::hear(tx, batch, ledger_);
            return true;
        });
    }
    std::int64_t sales() {
        return query<std::int64_t>(
            "select coalesce(sum(balance), 0)::bigint from payment.balance "
            "where account = 'sales'");
    }
    int entries() { return query<int>("select count(*) from payment.entry"); }
    void expect_conservation() {
        EXPECT_EQ(query<int>("select coalesce(sum(amount), 0)::int from payment.posting"), 0);
        EXPECT_EQ(query<int>("select coalesce(sum(balance), 0)::int from payment.balance"), 0);
        EXPECT_EQ(sales(), query<std::int64_t>("select coalesce(sum(amount), 0)::bigint "
                                               "from payments where status = 'TAKEN'"));
        EXPECT_EQ(query<int>("select count(*) from payments p where (select count(*) "
                             "from payment.entry where payment_id = p.id) <> case status "
                             "when 'TAKEN' then 1 when 'REFUNDED' then 2 else 0 end"),
                  0);
    }

    domain::payment::Ledger ledger_{pool_};
};

TEST_F(PaymentParticipant, TakesWithinTheLimitAndDeclinesOtherwise) {
    send({command("CreatePayment", 1, purchase(500)), command("CreatePayment", 1, purchase(500))});
    send({command("CreatePayment", 2, purchase(50'001)), command("CreatePayment", 2)});
    send({command("CreatePayment", 3, purchase(500, "NOK"))});
    const std::string over =
        "CreatePayment 2 no: the amount is over the limit of 50000 EUR minor units";
    EXPECT_EQ(answers(), (Answers{"CreatePayment 1 yes", "CreatePayment 1 yes", over, over,
                                  "CreatePayment 3 no: currency NOK is not supported"}));
    EXPECT_EQ(replies().front().purchase_content, purchase(500));
    EXPECT_EQ(sales(), 500);
    expect_conservation();
}

TEST_F(PaymentParticipant, GivesBackWhatItTookExactlyOnce) {
    send({command("CreatePayment", 1), command("RollbackPayment", 1), command("RollbackPayment", 1),
          command("CreatePayment", 1)});
    EXPECT_EQ(answers(), (Answers{"CreatePayment 1 yes", "RollbackPayment 1 yes",
                                  "RollbackPayment 1 yes", "CreatePayment 1 yes"}));
    EXPECT_EQ(status(1), "REFUNDED");
    EXPECT_EQ(entries(), 2);
    EXPECT_EQ(sales(), 0);
    expect_conservation();
}

TEST_F(PaymentParticipant, RefusesAPaymentThatWasRolledBackBeforeItCame) {
    send({command("RollbackPayment", 1), command("CreatePayment", 1),
          command("RollbackPayment", 1)});
    EXPECT_EQ(answers(), (Answers{"RollbackPayment 1 yes",
                                  "CreatePayment 1 no: purchase 1 was rolled back before its "
                                  "payment was asked for",
                                  "RollbackPayment 1 yes"}));
    EXPECT_EQ(entries(), 0);
}

TEST_F(PaymentParticipant, ActsOnTheCommandsOfOnePaymentInABatchInTheirOrder) {
    hear({create(1, 500), roll_back(1), create(1, 500), roll_back(2), create(2, 500),
          create(3, 50'001), roll_back(3), create(3, 50'001), create(4, 500), create(4, 500)});
    const std::string over =
        "CreatePayment 3 no: the amount is over the limit of 50000 EUR minor units";
    const std::string late =
        "CreatePayment 2 no: purchase 2 was rolled back before its payment was asked for";
    EXPECT_EQ(answers(),
              (Answers{"CreatePayment 1 yes", "RollbackPayment 1 yes", "CreatePayment 1 yes",
                       "RollbackPayment 2 yes", late, over, "RollbackPayment 3 yes", over,
                       "CreatePayment 4 yes", "CreatePayment 4 yes"}));
    EXPECT_EQ(status(1), "REFUNDED");
    EXPECT_EQ(status(2), "CANCELLED");
    EXPECT_EQ(status(3), "DECLINED");
    EXPECT_EQ(status(4), "TAKEN");
    EXPECT_EQ(entries(), 3);
    hear({roll_back(4), create(5, 70), create(4, 500), roll_back(5)});
    EXPECT_EQ(answers().size(), 14U);
    EXPECT_EQ(entries(), 6);
    EXPECT_EQ(sales(), 0);
    expect_conservation();
}

TEST_F(PaymentParticipant, ReadsTheLimitsForNewPaymentsOnly) {
    hear({create(1, 500)});
    pqxx::connection owner{database_.dsn()};
    pqxx::nontransaction{owner}.exec("revoke select on payment_limit from " + role_);
    hear({roll_back(1), roll_back(2), create(1, 500), create(2, 500)});
    EXPECT_EQ(status(1), "REFUNDED");
    EXPECT_EQ(status(2), "CANCELLED");
    EXPECT_THROW(hear({create(3, 500)}), pqxx::insufficient_privilege);
}

// Two sessions, the same new payments in opposite orders: one of them waits, and finds them then.
TEST_F(PaymentParticipant, HearsOverlappingBatchesWithoutADeadlock) {
    constexpr std::int64_t rounds = 20, size = 10;
    std::atomic<int> deadlocks = 0;
    const auto session = [&](bool backwards) {
        for (std::int64_t round = 0; round < rounds; ++round) {
            std::vector<Input> inputs;
            for (std::int64_t n = 1; n <= size; ++n) {
                const auto id = round * size + (backwards ? size + 1 - n : n);
                inputs.push_back(create(id, id));
                if (id % 3 == 0) inputs.push_back(roll_back(id));
            }
            transact(pool_, [&](pqxx::work& tx) {
                try {
                    domain::payment::hear(tx, inputs, ledger_);
                } catch (const pqxx::deadlock_detected&) {
                    ++deadlocks;
                    throw;
                }
                return true;
            });
        }
    };
    {
        const std::jthread forwards{session, false};
        const std::jthread backwards{session, true};
    }
    EXPECT_EQ(deadlocks, 0);
    EXPECT_EQ(query<int>("select count(*) from payments"), rounds * size);
    expect_conservation();
}

// Several copies of both commands for each purchase, in a random order, to partitions that
// different sessions apply at the same time.
TEST_F(PaymentParticipant, ConservesMoneyUnderDuplicatesAndRollbacksInAnyOrder) {
    const auto seed = std::random_device{}();
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::minstd_rand random{seed};
    std::vector<support::Draft> drafts;
    for (std::int64_t id = 1; id <= 100; ++id) {
        for (auto n = random() % 4; n > 0; --n)
            drafts.push_back(command("CreatePayment", id, purchase(id * 700)));
        for (auto n = random() % 3; n > 0; --n) drafts.push_back(command("RollbackPayment", id));
    }
    std::ranges::shuffle(drafts, random);
    for (auto& draft : drafts) {
        draft.partition = static_cast<int>(random() % 3);
        draft.key = *draft.key + "/" + std::to_string(random() % 3);
    }
    send(drafts);
    expect_conservation();
    EXPECT_EQ(query<int>("select count(*) from inbox.dead"), 0);

    std::map<std::pair<std::int64_t, std::string>, std::string> first;
    const auto given = replies();
    EXPECT_EQ(given.size(), drafts.size());
    for (const auto& reply : given) {
        const auto [at, is_first] =
            first.try_emplace({reply.purchase, reply.handler}, reply.error_message);
        EXPECT_EQ(at->second, reply.error_message) << reply.handler << " " << reply.purchase;
    }
}

TEST_F(PaymentParticipant, RefusesACommitWhosePostingsDoNotAddUp) {
    send({command("CreatePayment", 1, purchase(500))});
    pqxx::connection service{database_.dsn(role_)};
    {
        pqxx::work tx{service};
        tx.exec("insert into payment.entry (key, payment_id) values ('forged', 1)");
        tx.exec("insert into payment.posting values ('forged', 'sales', 'EUR', 1)");
        EXPECT_THROW(tx.commit(), pqxx::check_violation);
    }
    pqxx::work tx{service};
    EXPECT_THROW(tx.exec("update payment.posting set amount = 0"), pqxx::insufficient_privilege);
    expect_conservation();
}

TEST_F(PaymentParticipant, NeverGoesBackNorLeavesAnEnd) {
    send({command("CreatePayment", 1), command("CreatePayment", 2), command("RollbackPayment", 2)});
    pqxx::connection service{database_.dsn(role_)};
    for (const auto* back :
         {"'{1}', '{PENDING}'", "'{1}', '{DECLINED}'", "'{2}', '{TAKEN}'", "'{2}', '{REFUNDING}'",
          "'{1,2}', '{REFUNDED,TAKEN}'", "'{3}', '{TAKEN}'"}) {
        pqxx::work tx{service};
        EXPECT_THROW(tx.exec(std::format("select payment.move({}, array['why','why'], "
                                         "array['',''], '{{t,t}}', '{{t,t}}', '{{f,f}}')",
                                         back)),
                     pqxx::check_violation)
            << back;
    }
    pqxx::work tx{service};
    EXPECT_THROW(tx.exec("update payments set amount = 1"), pqxx::insufficient_privilege);
}

TEST_F(PaymentParticipant, ShowsAPaymentToItsOwnerOnly) {
    send({command("CreatePayment", 42), command("RollbackPayment", 43)});
    cache_.filter(pool_, "payments");
    const auto shown = get(http::payment::add_routes, "/api/v1/payments/42", "3");
    EXPECT_EQ(json::parse(shown.body),
              json::parse(R"({"id":42,"customer_id":3,"amount":11050,"currency_code":"EUR",
                  "status":"TAKEN"})"));
    expect_to_be_its_owners_alone(http::payment::add_routes);
    send({command("RollbackPayment", 42), command("CreatePayment", 44)});
    EXPECT_TRUE(support::happens_within(std::chrono::seconds{2}, [&] {
        return get(http::payment::add_routes, "/api/v1/payments/42", "3").body.contains("REFUNDED");
    })) << "stale";
    EXPECT_EQ(get(http::payment::add_routes, "/api/v1/payments/44", "3").status, 200)
        << "denied: it exists";
}

}  // namespace
}  // namespace integration

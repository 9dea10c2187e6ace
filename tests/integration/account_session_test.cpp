// Sessions: each refresh token once, and nothing of a session that was revoked; over HTTP and gRPC,
// and for the other services.

#include <grpcpp/grpcpp.h>

#include <csignal>
#include <future>

#include "auth.grpc.pb.h"
#include "http/auth.hpp"
#include "integration/account_fixture.hpp"
#include "support/wait.hpp"

namespace {

using domain::token::Kind;
using nlohmann::json;
using support::Answer;

struct Told {
    grpc::StatusCode code;
    std::uint64_t customer;
    bool expired;
    bool operator==(const Told&) const = default;
};

class AccountSessionTest : public support::AccountTest {
protected:
    static constexpr Told refused{grpc::StatusCode::UNAUTHENTICATED, 0, false};

    Told ask_rpc(const std::string& token) {
        const auto stub = auth::AuthService::NewStub(channel());
        auth::AuthPayload payload;
        payload.set_access_token(token);
        auth::AuthResponse response;
        grpc::ClientContext context;
        context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds{10});
        const auto status = stub->Auth(&context, payload, &response);
        return {status.error_code(), response.customer_id(), response.expired()};
    }
    std::shared_ptr<grpc::Channel> channel() {
        return grpc::CreateChannel(shop->grpc("account"), grpc::InsecureChannelCredentials());
    }
    std::uint64_t customer() { return std::stoull(text("select id::text from accounts")); }

    void expect_dead(const Pair& pair) {
        EXPECT_EQ(refresh(pair.refresh).status, 401);
        EXPECT_EQ(personal(pair.access).status, 401);
        EXPECT_EQ(ask_rpc(pair.access), refused);
    }

    static http::Request request_with(const std::string& token) {
        return {"GET", "/", {{"Authorization", "Bearer " + token}}, "here"};
    }
};

TEST_F(AccountSessionTest, HandsOutANewPairForARefreshToken) {
    const auto first = enroll(ada());
    const auto answer = refresh(first.refresh);
    ASSERT_EQ(answer.status, 200) << answer.body;
    const auto second = pair_of(answer);
    EXPECT_NE(second.access, first.access);
    EXPECT_NE(second.refresh, first.refresh);
    EXPECT_EQ(personal(second.access).status, 200);
    EXPECT_EQ(refresh(second.refresh).status, 200);
    EXPECT_EQ(ask("select count(*) from sessions"), 1);
}

TEST_F(AccountSessionTest, EndsTheSessionOfARefreshTokenThatComesTwice) {
    const auto first = enroll(ada());
    const auto other = pair_of(login("ada@example.com"));
    const auto second = pair_of(refresh(first.refresh));
    const auto third = pair_of(refresh(second.refresh));
    // The thief's, or the owner's after the thief: nobody can tell.
    EXPECT_EQ(refresh(first.refresh).status, 401) << "a used refresh token counts again";
    for (const auto& pair : {first, second, third}) expect_dead(pair);
    EXPECT_EQ(personal(other.access).status, 200);
    EXPECT_EQ(refresh(other.refresh).status, 200);
}

TEST_F(AccountSessionTest, GivesOneOfManyThatComeAtOnceAPair) {
    const auto pair = enroll(ada());
    std::vector<std::future<Answer>> answers;
    for (int i = 0; i < 8; ++i) {
        answers.push_back(
            std::async(std::launch::async, [this, pair] { return refresh(pair.refresh); }));
    }
    std::map<int, int> statuses;
    for (auto& answer : answers) ++statuses[answer.get().status];
    EXPECT_EQ(statuses, (std::map<int, int>{{200, 1}, {401, 7}}));
    EXPECT_EQ(ask("select count(*) from sessions where revoked_at is not null"), 1);
}

TEST_F(AccountSessionTest, AnswersOnceThoughTheConnectionBreaksWithinCommit) {
    const auto pair = enroll(ada());
    pqxx::nontransaction{connection}.exec(R"(
        create sequence tries;
        create function lose() returns trigger language plpgsql security definer as $$
        begin
            if nextval('tries') = 1 then perform pg_terminate_backend(pg_backend_pid()); end if;
            return null;
        end $$;
        create constraint trigger lose after update on sessions deferrable initially deferred
        for each row execute function lose())");
    EXPECT_EQ(refresh(pair.refresh).status, 200);
    EXPECT_EQ(ask("select count(*) from sessions where revoked_at is null"), 1);
}

TEST_F(AccountSessionTest, EndsWithALogout) {
    const auto pair = enroll(ada());
    EXPECT_EQ(post("logout", {{"refresh_token", pair.access}}).status, 401);
    EXPECT_EQ(personal(pair.access).status, 200);
    EXPECT_EQ(post("logout", {{"refresh_token", pair.refresh}}).status, 200);
    expect_dead(pair);
}

TEST_F(AccountSessionTest, TakesNoOtherKindOfToken) {
    const auto pair = enroll(ada());
    for (const auto& token : {pair.access, std::string{"x"}, std::string{}, pair.refresh + "x"}) {
        const auto answer = refresh(token);
        EXPECT_EQ(answer.status, 401);
        EXPECT_EQ(answer.headers.at("WWW-Authenticate"), "Bearer");
    }
    EXPECT_EQ(post("refresh", {{"refresh_token", 1}}).status, 400);
    EXPECT_EQ(refresh(pair.refresh).status, 200);
}

TEST_F(AccountSessionTest, ForgetsSessionsThatHaveEnded) {
    const auto pair = enroll(ada());
    pqxx::nontransaction{connection}.exec(
        "update sessions set expires_at = now() - interval '1 s'");
    EXPECT_EQ(personal(pair.access).status, 401);
    EXPECT_EQ(login("ada@example.com").status, 200);
    EXPECT_EQ(ask("select count(*) from sessions"), 1);
}

TEST_F(AccountSessionTest, SaysOverGrpcWhoseATokenIs) {
    const auto pair = enroll(ada());
    EXPECT_EQ(ask_rpc(pair.access), (Told{grpc::StatusCode::OK, customer(), false}));
    const domain::token::Tokens yesterday{
        {.secret = secret},
        [] { return std::chrono::system_clock::now() - std::chrono::hours{24}; }};
    const auto old = yesterday.issue(
        Kind::access, {domain::CustomerId{static_cast<std::int64_t>(customer())}, 1, "one"});
    EXPECT_EQ(ask_rpc(old), (Told{grpc::StatusCode::OK, 0, true}));
    EXPECT_EQ(json::parse(personal(old).body)["error"], "the access token has expired");
    for (const auto& token : {pair.refresh, std::string{"x"}, std::string{}, pair.access + "A"})
        EXPECT_EQ(ask_rpc(token), refused);
    EXPECT_EQ(ask_rpc(std::string(100'000, 'x')).code, grpc::StatusCode::RESOURCE_EXHAUSTED);
}

TEST_F(AccountSessionTest, SaysOverGrpcThatTheDatabaseIsAway) {
    const auto pair = enroll(ada());
    pqxx::nontransaction{connection}.exec("alter table sessions rename to elsewhere");
    EXPECT_EQ(ask_rpc(pair.access).code, grpc::StatusCode::UNAVAILABLE);
}

TEST_F(AccountSessionTest, TellsTheOtherServicesWhoAsks) {
    const auto pair = enroll(ada());
    http::Log quiet{"off"};
    const auto authenticate = http::ask_account({.secret = secret}, shop->grpc("account"), quiet);
    const auto who = authenticate(request_with(pair.access));
    ASSERT_TRUE(who) << who.error().detail;
    EXPECT_EQ(static_cast<std::uint64_t>(who->value), customer());
    EXPECT_EQ(authenticate(request_with(pair.refresh)).error().status, 401);
    EXPECT_EQ(authenticate({"GET", "/", {}, "here"}).error().status, 401);
    post("logout", {{"refresh_token", pair.refresh}});
    support::eventually(std::chrono::seconds{10}, "the revoked session to count no more", [&] {
        const auto revoked = authenticate(request_with(pair.access));
        return !revoked && revoked.error().status == 401;
    });
}

TEST_F(AccountSessionTest, TakesTheRoleThatAnOperatorGrants) {
    const auto customer = enroll(ada());
    http::Log quiet{"off"};
    const auto merchants = http::ask_account({.secret = secret}, shop->grpc("account"), quiet,
                                             domain::token::Role::merchant);
    const auto as_customer = merchants(request_with(customer.access));
    ASSERT_FALSE(as_customer);
    EXPECT_EQ(as_customer.error().status, 403);
    EXPECT_EQ(merchants({"GET", "/", {}, "here"}).error().status, 401);

    pqxx::connection operators{database.dsn("account_operator")};
    const auto grant = [&](const std::string& email, const std::string& role) {
        pqxx::work tx{operators};
        tx.exec("select account.grant_role($1, $2)", pqxx::params{email, role});
        tx.commit();
    };
    grant("Ada@Example.com", "merchant");
    expect_dead(customer);
    const auto merchant = pair_of(login("ada@example.com"));
    EXPECT_TRUE(merchants(request_with(merchant.access)));
    EXPECT_TRUE(merchants(request_with(pair_of(refresh(merchant.refresh)).access)));
    grant("ada@example.com", "customer");
    EXPECT_EQ(merchants(request_with(pair_of(login("ada@example.com")).access)).error().status,
              403);
    EXPECT_ANY_THROW(grant("nobody@example.com", "merchant"));
    EXPECT_ANY_THROW(grant("ada@example.com", "emperor"));
}

TEST_F(AccountSessionTest, LetsTheOthersGoOnWhileItIsAway) {
    const auto pair = enroll(ada());
    http::Log quiet{"off"};
    const auto authenticate = http::ask_account({.secret = secret}, shop->grpc("account"), quiet);
    const auto forger = http::ask_account({.secret = std::string(32, 'x')}, "127.0.0.1:1", quiet);
    shop.reset();
    EXPECT_TRUE(authenticate(request_with(pair.access)));
    EXPECT_EQ(authenticate(request_with(pair.refresh)).error().status, 401);
    EXPECT_EQ(authenticate(request_with("x")).error().status, 401);
    EXPECT_EQ(forger(request_with(pair.access)).error().status, 401);
}

TEST_F(AccountSessionTest, StopsWithACallUnderWay) {
    const auto pair = enroll(ada());
    pqxx::connection other{database.dsn()};
    pqxx::work blocker{other};
    blocker.exec("lock table sessions in access exclusive mode");
    auto told = std::async(std::launch::async, [&] { return ask_rpc(pair.access); });
    support::eventually(std::chrono::seconds{5}, "the call to wait for the lock", [&] {
        return ask("select count(*) from pg_locks where not granted "
                   "and relation = 'sessions'::regclass") == 1;
    });
    const auto id = customer();
    shop->process().signal(SIGTERM);
    support::eventually(std::chrono::seconds{5}, "the shop to stop",
                        [&] { return shop->process().output().contains(R"("stopping")"); });
    blocker.commit();
    EXPECT_EQ(told.get(), (Told{grpc::StatusCode::OK, id, false}));
    EXPECT_EQ(shop->process().wait(std::chrono::seconds{20}), 0);
}

}  // namespace

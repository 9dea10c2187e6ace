// What the other services believe of a token once account is away: killed, as a process.

#include <grpcpp/grpcpp.h>

#include <csignal>

#include "auth.grpc.pb.h"
#include "http/auth.hpp"
#include "http/grpc_server.hpp"
#include "integration/account_fixture.hpp"
#include "support/wait.hpp"

namespace {

using namespace std::chrono_literals;

class AccountAwayTest : public support::AccountTest {
protected:
    static bool counts(const http::Authenticate& authenticate, const std::string& token) {
        return authenticate({"GET", "/", {{"Authorization", "Bearer " + token}}, "here"})
            .has_value();
    }
    void kill() {
        shop->process().signal(SIGKILL);
        static_cast<void>(shop->process().wait(10s));
    }

    http::Log quiet{"off"};
};

TEST_F(AccountAwayTest, RevivesNoSessionThatWasHeardToBeRevoked) {
    const auto first = enroll(ada());
    const auto later = pair_of(refresh(first.refresh));
    const auto untouched = pair_of(login("ada@example.com"));
    const auto authenticate = http::ask_account({.secret = secret}, shop->grpc("account"), quiet);
    EXPECT_EQ(post("logout", {{"refresh_token", later.refresh}}).status, 200);
    EXPECT_FALSE(counts(authenticate, first.access));
    kill();
    EXPECT_TRUE(counts(authenticate, untouched.access));
    // Longer than any answer of account's is held.
    EXPECT_FALSE(support::happens_within(3s, [&] { return counts(authenticate, first.access); }))
        << "a token that was heard to be revoked counts again";
    EXPECT_FALSE(counts(authenticate, later.access)) << "another token of that session counts";
}

// As an account whose clock is ahead would say.
class SaysExpired final : public auth::AuthService::Service {
    // NOLINTNEXTLINE(readability-identifier-naming): gRPC's name
    grpc::Status Auth(grpc::ServerContext*, const auth::AuthPayload*,
                      auth::AuthResponse* response) override {
        response->set_expired(true);
        return grpc::Status::OK;
    }
};

TEST_F(AccountAwayTest, TakesAnExpiredTokenForNoRevokedSession) {
    const auto pair = enroll(ada());
    http::GrpcServer server{
        {.service = "account", .listen = "127.0.0.1:0"}, {std::make_shared<SaysExpired>()}, quiet};
    server.start();
    const auto authenticate = http::ask_account({.secret = secret}, server.address(), quiet);
    EXPECT_FALSE(counts(authenticate, pair.access));
    server.stop();
    EXPECT_TRUE(support::happens_within(10s, [&] { return counts(authenticate, pair.access); }));
}

}  // namespace

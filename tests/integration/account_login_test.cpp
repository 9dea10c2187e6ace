// Logins: what a guess gets to know, how many guesses there are, and what they cost.

#include <future>
#include <sstream>

#include "integration/account_fixture.hpp"
#include "support/wait.hpp"

namespace {

using nlohmann::json;
using support::Answer;

class AccountLoginTest : public support::AccountTest {
protected:
    int hashes() {
        const std::string name = R"(account_password_hashes_total{outcome="computed"} )";
        const auto metrics = support::request(shop->address("account"), "GET", "/metrics").body;
        return std::stoi(metrics.substr(metrics.find(name) + name.size()));
    }
    void let_the_window_pass() {
        pqxx::nontransaction{connection}.exec(
            "update login_attempts set since = since - interval '301 s'");
    }
};

TEST_F(AccountLoginTest, AnswersAnUnknownAddressAsItDoesAWrongPassword) {
    enroll(ada());
    const auto before = hashes();
    const auto wrong = login("ada@example.com", "wrong password");
    const auto between = hashes();
    const auto unknown = login("nobody@example.com");
    EXPECT_EQ(wrong.status, 401);
    EXPECT_EQ(unknown.status, 401);
    EXPECT_EQ(problem(wrong), problem(unknown));
    EXPECT_EQ(wrong.headers.at("WWW-Authenticate"), "Bearer");
    // What takes the time: one hash each.
    EXPECT_EQ(between - before, 1);
    EXPECT_EQ(hashes() - between, 1) << "an unknown address is known by its time";
    EXPECT_EQ(login("ada@example.com").status, 200);
    EXPECT_EQ(login("ada@example.com", "").status, 401);
}

TEST_F(AccountLoginTest, TellsOnlyWhoKnowsThePasswordThatAnAccountIsInactive) {
    const auto pair = enroll(ada());
    pqxx::nontransaction{connection}.exec("update accounts set active = false");
    EXPECT_EQ(login("ada@example.com").status, 403);
    EXPECT_EQ(login("ada@example.com", "wrong password").status, 401);
    EXPECT_EQ(refresh(pair.refresh).status, 403);
    EXPECT_EQ(personal(pair.access).status, 401);
}

TEST_F(AccountLoginTest, LimitsTheGuessesForOneAccount) {
    start({{"SHOP_LOGINS_OF_ACCOUNT", "3"}});
    enroll(ada());
    for (const auto* email : {"ada@example.com", "unknown@example.com"}) {
        for (int i = 0; i < 3; ++i) EXPECT_EQ(login(email, "wrong").status, 401);
        // Then it makes no difference whether one is right, nor how the address is written.
        const auto refused =
            login(email == std::string{"ada@example.com"} ? "ADA@example.com" : email);
        EXPECT_EQ(refused.status, 429);
        const auto wait = std::stoi(refused.headers.at("Retry-After"));
        EXPECT_GT(wait, 0);
        EXPECT_LE(wait, 300);
    }
    EXPECT_EQ(ask("select count(*) from sessions"), 1);
    let_the_window_pass();
    EXPECT_EQ(login("ada@example.com").status, 200);
    // A login that succeeds forgets those that failed.
    for (int i = 0; i < 2; ++i) EXPECT_EQ(login("ada@example.com", "wrong").status, 401);
    EXPECT_EQ(login("ada@example.com").status, 200);
    for (int i = 0; i < 3; ++i) EXPECT_EQ(login("ada@example.com", "wrong").status, 401);
}

TEST_F(AccountLoginTest, LimitsTheGuessesFromOneAddress) {
    start({{"SHOP_LOGINS_OF_ADDRESS", "5"}});
    enroll(ada());
    for (int i = 0; i < 10; ++i) EXPECT_EQ(login("ada@example.com").status, 200);
    for (int i = 0; i < 5; ++i) EXPECT_EQ(login(std::to_string(i) + "@example.com").status, 401);
    EXPECT_EQ(login("ada@example.com").status, 429);
    let_the_window_pass();
    EXPECT_EQ(login("ada@example.com").status, 200);
    EXPECT_EQ(ask("select count(*) from login_attempts where since < now() - interval '300 s'"), 0);
}

TEST_F(AccountLoginTest, LetsThroughNoMoreGuessesThatComeAtOnce) {
    start({{"SHOP_LOGINS_OF_ACCOUNT", "3"}});
    enroll(ada());
    std::vector<std::future<Answer>> guesses;
    for (int i = 0; i < 16; ++i) {
        guesses.push_back(
            std::async(std::launch::async, [this] { return login("ada@example.com", "wrong"); }));
    }
    std::map<int, int> statuses;
    for (auto& guess : guesses) ++statuses[guess.get().status];
    EXPECT_EQ(statuses, (std::map<int, int>{{401, 3}, {429, 13}})) << "guesses beyond the limit";
}

TEST_F(AccountLoginTest, HashesAnewUnderNewParameters) {
    enroll(ada());
    const auto old = text("select password from accounts");
    start({{"SHOP_PASSWORD_PASSES", "2"}, {"SHOP_PASSWORD_MEMORY_KIB", "2048"}});
    EXPECT_EQ(login("ada@example.com", "wrong").status, 401);
    EXPECT_EQ(text("select password from accounts"), old);
    EXPECT_EQ(login("ada@example.com").status, 200);
    const auto now = text("select password from accounts");
    EXPECT_TRUE(now.starts_with("$argon2id$v=19$m=2048,t=2,p=1$")) << now;
    EXPECT_EQ(login("ada@example.com").status, 200);
    EXPECT_EQ(text("select password from accounts"), now);
}

TEST_F(AccountLoginTest, RefusesWhenTooManyPasswordsAreBeingHashed) {
    // Sixteen, one after the other, take longer than any of them waits for its turn.
    start({{"SHOP_PASSWORD_HASHES", "1"},
           {"SHOP_PASSWORD_PASSES", "10"},
           {"SHOP_PASSWORD_MEMORY_KIB", "65536"}});
    std::vector<std::future<Answer>> logins;
    for (int i = 0; i < 16; ++i)
        logins.push_back(std::async(
            std::launch::async, [this, i] { return login(std::to_string(i) + "@example.com"); }));
    std::map<int, int> statuses;
    for (auto& future : logins) {
        const auto answer = future.get();
        ++statuses[answer.status];
        if (answer.status != 503) continue;
        EXPECT_EQ(answer.headers.at("Retry-After"), "1");
    }
    EXPECT_GE(statuses[401], 1);
    EXPECT_GE(statuses[503], 1);
    // Those were no guesses.
    EXPECT_EQ(ask("select max(attempts) from login_attempts"), statuses[401]);
}

}  // namespace

// What account remembers over Redis, and what it never does.

#include "integration/account_fixture.hpp"
#include "support/redis_server.hpp"
#include "support/wait.hpp"

namespace support {
namespace {

using namespace std::chrono_literals;

class AccountCacheTest : public AccountTest {
protected:
    void SetUp() override {
        const Environment cached{{"REDIS_ADDRS", redis_.address()},
                                 {"REDIS_PASSWORD", redis_password}};
        start(cached);
        other_.emplace(std::vector<std::string>{"account"}, with(cached));
        eventually(20s, "the channel to be heard", [&] {
            return redis_.cli({"PUBSUB", "NUMSUB", "invalidate_cache:account"}).ends_with("2");
        });
    }
    Answer ask_other(const std::string& token) {
        return request(other_->address("account"), "GET", "/api/v1/account/customer/personal", {},
                       bearer(token));
    }

    RedisServer redis_;
    std::optional<ShopProcess> other_;
};

TEST_F(AccountCacheTest, ShowsAChangeInEveryProcessAndForgetsNoRevocation) {
    const auto pair = enroll(ada());
    EXPECT_EQ(json::parse(personal(pair.access).body)["first_name"], "Ada");
    EXPECT_EQ(json::parse(ask_other(pair.access).body)["first_name"], "Ada");
    super().exec("update accounts set first_name = 'Nobody'");  // behind their backs
    EXPECT_EQ(json::parse(personal(pair.access).body)["first_name"], "Ada") << "not remembered";
    const json changed{
        {"first_name", "Augusta"}, {"last_name", "King"}, {"email", "ada@example.com"}};
    const auto put = send("PUT", "customer/personal", changed.dump(), bearer(pair.access));
    EXPECT_EQ(put.status, 200) << put.body;
    EXPECT_EQ(json::parse(personal(pair.access).body), changed);
    EXPECT_TRUE(happens_within(2s, [&] {
        return json::parse(ask_other(pair.access).body) == changed;
    })) << "stale in another process";

    EXPECT_EQ(post("logout", {{"refresh_token", pair.refresh}}).status, 200);
    EXPECT_EQ(personal(pair.access).status, 401) << "a revoked token is remembered";
    EXPECT_EQ(ask_other(pair.access).status, 401) << "a revoked token is remembered";
    const auto again = pair_of(login("ada@example.com"));
    super().exec("update accounts set active = false");
    EXPECT_EQ(ask_other(again.access).status, 401) << "an account is remembered as active";
}

TEST_F(AccountCacheTest, PutsNoSecretIntoRedis) {
    const auto pair = enroll(ada());
    static_cast<void>(login("ada@example.com"));
    static_cast<void>(refresh(pair.refresh));
    EXPECT_EQ(personal(pair.access).status, 200);
    EXPECT_EQ(send("GET", "customer/delivery", {}, bearer(pair.access)).status, 200);
    std::istringstream keys{redis_.cli({"KEYS", "*"})};
    int count = 0;
    for (std::string key; std::getline(keys, key); ++count) {
        EXPECT_TRUE(key.starts_with("get_personal:") || key.starts_with("get_delivery:")) << key;
        const auto value = redis_.cli({"GET", key});
        for (const auto& canary : {std::string{password}, std::string{"argon2"}, pair.access})
            EXPECT_FALSE(value.contains(canary)) << key;
    }
    EXPECT_EQ(count, 2);
}

}  // namespace
}  // namespace support

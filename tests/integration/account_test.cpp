// Accounts over real HTTP, on a real database: what a customer has, and what nobody gets to see.

#include <csignal>
#include <filesystem>
#include <fstream>
#include <future>
#include <set>
#include <sstream>

#include "integration/account_fixture.hpp"

namespace {

using nlohmann::json;
using support::Answer;

class AccountHttpTest : public support::AccountTest {};

std::string output_of_failure(const std::map<std::string, std::string>& environment) {
    support::Process shop{{.argv = {support::bin("shop"), "serve", "account"}, .env = environment}};
    const auto status = shop.wait(std::chrono::seconds{20});
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) != 0) << status;
    return shop.output();
}

TEST(AccountStart, NeedsASecretAndDoesNotTellIt) {
    const support::Database database{{"outbox", "account"}};
    const std::map<std::string, std::string> environment{
        {"SHOP_ACCOUNT_DSN", database.dsn("shop_account")}};
    const auto with = [&](const char* name, const char* value) {
        auto more = environment;
        more.emplace(name, value);
        return output_of_failure(more);
    };
    EXPECT_TRUE(output_of_failure(environment).contains("SHOP_JWT_SECRET"));
    for (const auto* name : {"SHOP_JWT_SECRET", "JWT_SECRET"}) {
        const auto output = with(name, "short-canary");
        EXPECT_TRUE(output.contains("at least 32 bytes")) << output;
        EXPECT_FALSE(output.contains("short-canary"));
    }
    EXPECT_TRUE(with("SHOP_JWT_SECRET_FILE", "/nowhere").contains("/nowhere"));
    EXPECT_TRUE(with("JWT_ACCESS_TOKEN_EXPIRE_SECOND", "1000").contains("--refresh-token-s"));
}

TEST(AccountRoles, MayDoWhatTheServiceDoesAndNoMore) {
    const support::Database database{{"outbox", "account"}};
    const auto forbidden = [&](const char* role, const char* statement) {
        pqxx::connection connection{database.dsn(role)};
        pqxx::work tx{connection};
        EXPECT_THROW(tx.exec(statement), pqxx::insufficient_privilege) << role << ": " << statement;
    };
    forbidden("shop_account", "delete from accounts");
    forbidden("shop_account", "update accounts set active = true");
    forbidden("shop_account", "update accounts set id = 1");
    forbidden("shop_account", "update accounts set role = 'merchant'");
    forbidden("shop_account", "select account.grant_role('a', 'merchant')");
    forbidden("shop_account", "update sessions set account_id = 1");
    forbidden("postroom_relay", "select from accounts");
    forbidden("postroom_relay", "select from sessions");
}

TEST_F(AccountHttpTest, TakesItsSecretAndItsTimesFromTheEnvironment) {
    const auto file = std::filesystem::temp_directory_path() / support::unique_name("secret");
    std::ofstream{file} << "from a file, of more than 32 bytes\r\n";
    start({{"SHOP_JWT_SECRET_FILE", file},
           {"JWT_ACCESS_TOKEN_EXPIRE_SECOND", "10800"},
           {"JWT_REFRESH_TOKEN_EXPIRE_SECOND", "86400"}});
    std::filesystem::remove(file);
    const auto pair = enroll(ada());
    const auto in = [](int hours) {
        return domain::token::Tokens{
            {.secret = "from a file, of more than 32 bytes"},
            [hours] { return std::chrono::system_clock::now() + std::chrono::hours{hours}; }};
    };
    using domain::token::Kind;
    EXPECT_TRUE(in(2).verify(Kind::access, pair.access));
    EXPECT_FALSE(in(4).verify(Kind::access, pair.access));
    EXPECT_TRUE(in(23).verify(Kind::refresh, pair.refresh));
    EXPECT_FALSE(in(25).verify(Kind::refresh, pair.refresh));
}

TEST_F(AccountHttpTest, OpensAnAccountAndTellsOfItInOneTransaction) {
    const auto pair = enroll(ada());
    const auto answer = personal(pair.access);
    EXPECT_EQ(answer.status, 200);
    EXPECT_EQ(
        json::parse(answer.body),
        (json{{"first_name", "Ada"}, {"last_name", "Lovelace"}, {"email", "ada@example.com"}}));
    const auto [type, aggregate, key, payload] =
        super().query1<std::string, std::string, std::string, std::string>(
            "select type, aggregatetype, aggregateid, payload from outbox.event");
    EXPECT_EQ(type, "AccountRegistered");
    EXPECT_EQ(aggregate, "account");
    EXPECT_EQ(key, text("select id::text from accounts"));
    EXPECT_EQ(json::parse(payload)["customer_id"], std::stoll(key));
    EXPECT_FALSE(payload.contains("ada"));
    EXPECT_TRUE(
        text("select password from accounts").starts_with("$argon2id$v=19$m=1024,t=1,p=1$"));
}

TEST_F(AccountHttpTest, ChangesWhatTheCustomerSays) {
    const auto auth = bearer(enroll(ada()).access);
    const json name{
        {"first_name", "Augusta"}, {"last_name", "King"}, {"email", "King@example.com"}};
    const json home{{"address", "Ockham Park"}, {"phone_number", "+44 1483"}};
    for (const auto& [path, body] :
         {std::pair{"customer/personal", name}, std::pair{"customer/delivery/", home}}) {
        const auto put = send("PUT", path, body.dump(), auth);
        EXPECT_EQ(put.status, 200) << put.body;
        EXPECT_EQ(json::parse(put.body), (json{{"message", "success"}}));
        EXPECT_EQ(json::parse(send("GET", path, {}, auth).body), body);
    }
    EXPECT_EQ(ask("select count(*) from outbox.event where type = 'AccountChanged'"), 2);
    EXPECT_EQ(login("king@EXAMPLE.com").status, 200);
    EXPECT_EQ(login("ada@example.com").status, 401);
}

TEST_F(AccountHttpTest, NamesTheFieldThatWillNotDo) {
    const std::pair<const char*, json> wrong[] = {{"email", "nobody"},
                                                  {"email", "@example.com"},
                                                  {"email", "a@b"},
                                                  {"email", "a@b@example.com"},
                                                  {"email", "a b@example.com"},
                                                  {"email", "a@example..com"},
                                                  {"email", "a@example.com\n"},
                                                  {"email", 7},
                                                  {"password", "1234567"},
                                                  {"password", std::string(129, 'x')},
                                                  {"password", nullptr},
                                                  {"first_name", ""},
                                                  {"last_name", std::string(101, 'x')},
                                                  {"address", std::string{"a\0b", 3}},
                                                  {"phone_number", json::array()}};
    for (const auto& [field, value] : wrong) {
        auto body = ada();
        body[field] = value;
        const auto answer = post("register", body);
        EXPECT_EQ(answer.status, 400) << field << value;
        EXPECT_EQ(json::parse(answer.body)["field"], field) << value;
        body.erase(field);
        EXPECT_EQ(json::parse(post("register", body).body)["field"], field);
    }
    EXPECT_EQ(ask("select count(*) from accounts"), 0);
    auto widest = ada();
    widest["password"] = std::string(64, 'x') + "ßßßßßßßß";
    EXPECT_EQ(post("register", widest).status, 201);
}

TEST_F(AccountHttpTest, TakesNothingFromABodyThatItDoesNotAskFor) {
    auto body = ada();
    body["id"] = 1;
    body["active"] = false;
    const auto auth = bearer(enroll(body).access);
    EXPECT_EQ(
        send("PUT", "customer/delivery",
             R"({"address":"x","phone_number":"1","active":false,"password":"x","id":1})", auth)
            .status,
        200);
    EXPECT_EQ(ask("select count(*) from accounts where active and id > 1"), 1);
    EXPECT_EQ(login("ada@example.com").status, 200);
}

TEST_F(AccountHttpTest, OpensOneAccountOfManyThatWantTheSameAddress) {
    for (const auto* unique : {"email", "phone_number"}) {
        std::vector<std::future<Answer>> answers;
        for (int i = 0; i < 16; ++i) {
            auto body = ada();
            for (const auto* other : {"email", "phone_number"}) {
                body[other] = std::string{unique} + std::to_string(i) + "@example.com";
            }
            body[unique] = std::string{"same-"} + unique + "@example.com";
            answers.push_back(
                std::async(std::launch::async, [this, body] { return post("register", body); }));
        }
        int opened = 0;
        for (auto& future : answers) {
            const auto answer = future.get();
            if (answer.status == 201) {
                ++opened;
                continue;
            }
            EXPECT_EQ(answer.status, 409) << answer.body;
            EXPECT_EQ(json::parse(answer.body)["field"], unique);
        }
        EXPECT_EQ(opened, 1);
    }
    EXPECT_EQ(ask("select count(*) from accounts"), 2);
    EXPECT_EQ(ask("select count(*) from outbox.event"), 2);
}

TEST_F(AccountHttpTest, RefusesAnAddressThatIsAnothersHoweverItIsWritten) {
    enroll(ada());
    auto other = ada();
    other["email"] = "ADA@Example.com";
    other["phone_number"] = "1";
    EXPECT_EQ(post("register", other).status, 409);
    other["email"] = "ba@example.com";
    const auto auth = bearer(enroll(other).access);
    const auto stolen =
        send("PUT", "customer/personal",
             R"({"first_name":"B","last_name":"A","email":"Ada@example.com"})", auth);
    EXPECT_EQ(stolen.status, 409);
    EXPECT_EQ(json::parse(stolen.body)["field"], "email");
    const auto phone =
        send("PUT", "customer/delivery", R"({"address":"B","phone_number":"+44 20 1"})", auth);
    EXPECT_EQ(phone.status, 409);
    EXPECT_EQ(json::parse(phone.body)["field"], "phone_number");
    EXPECT_FALSE(shop->process().output().contains("example.com"));
}

TEST_F(AccountHttpTest, AsksForATokenInWordsThatClientsKnow) {
    const auto pair = enroll(ada());
    for (const std::string& header :
         {std::string{}, std::string{"x"}, std::string{"Bearer"}, std::string{"Bearer "},
          std::string{"Bearer  "}, std::string{"Basic YTpi"}, "Token " + pair.access,
          "Bearer" + pair.access, "Bearer \"" + pair.access + "\"",
          "Bearer " + pair.access + " " + pair.access, "Bearer " + pair.access + "x",
          "Bearer " + pair.refresh, std::string{"Bearer \xff\xfe"},
          "Bearer " + std::string(5000, 'a')}) {
        const auto answer =
            send("GET", "customer/personal", {},
                 header.empty() ? std::map<std::string, std::string>{}
                                : std::map<std::string, std::string>{{"Authorization", header}});
        EXPECT_EQ(answer.status, 401) << header;
        EXPECT_TRUE(answer.headers.at("WWW-Authenticate").starts_with("Bearer")) << header;
        EXPECT_EQ(answer.headers.at("Content-Type"), "application/problem+json");
    }
    EXPECT_EQ(send("PUT", "customer/personal", "{}").status, 401);
    EXPECT_EQ(send("PUT", "customer/delivery", "{}").status, 401);
    EXPECT_EQ(send("GET", "customer/delivery").status, 401);
    EXPECT_EQ(
        send("GET", "customer/delivery", {}, {{"Authorization", "bearer " + pair.access}}).status,
        200);
}

TEST_F(AccountHttpTest, TellsNobodyItsSecrets) {
    auto seen = std::string{};
    const auto keep = [&](const Answer& answer) {
        seen += answer.body;
        return answer;
    };
    const auto pair = enroll(ada());
    keep(login("ada@example.com", "another canary-password"));
    keep(personal(pair.refresh));
    keep(refresh(pair.access));
    keep(send("POST", "auth/login", R"({"email":"ada@example.com","password":"canary-password)"));
    keep(send("POST", "auth/register", ada().dump()));
    keep(support::request(shop->address("account"), "GET", "/metrics"));
    const auto hash = text("select password from accounts");
    {
        // Nor when the database fails in the midst of it.
        pqxx::nontransaction{connection}.exec(
            "alter table accounts add constraint never check (phone_number <> '0')");
        auto body = ada();
        body["email"] = "b@example.com";
        body["phone_number"] = "0";
        const auto failed = keep(post("register", body));
        EXPECT_EQ(failed.status, 500);
        EXPECT_FALSE(failed.body.contains("constraint")) << failed.body;
    }
    shop->process().signal(SIGTERM);
    EXPECT_EQ(shop->process().wait(std::chrono::seconds{20}), 0);
    seen +=
        shop->process().output() + text("select string_agg(payload::text, ' ') from outbox.event");
    for (const auto& canary : {std::string{secret}, std::string{password}, hash, pair.access,
                               pair.refresh, std::string{"$argon2id$"}}) {
        EXPECT_FALSE(seen.contains(canary)) << canary;
    }
}

}  // namespace

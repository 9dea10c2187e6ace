// Every attack on a JWT that RFC 8725 knows, signed with the right secret where that matters.

#include "domain/token.hpp"

#include <gtest/gtest.h>
#include <sodium.h>

#include <array>
#include <nlohmann/json.hpp>

namespace domain::token {
namespace {

using nlohmann::json;
using std::chrono::seconds;

const std::string secret = "a secret for tests, of more than 32 bytes";
const std::chrono::system_clock::time_point noon{seconds{1'800'000'000}};
const Claims claims{.customer = CustomerId{42}, .session = 7, .id = "one"};

Tokens at(std::chrono::system_clock::time_point now) {
    return Tokens{{.secret = secret}, [now] { return now; }};
}

std::string base64(const std::string& bytes) {
    constexpr auto variant = sodium_base64_VARIANT_URLSAFE_NO_PADDING;
    std::string text(sodium_base64_encoded_len(bytes.size(), variant), '\0');
    sodium_bin2base64(text.data(), text.size(),
                      reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(), variant);
    text.pop_back();
    return text;
}

std::string sign(const std::string& header, const std::string& body,
                 const std::string& key = secret) {
    const auto text = base64(header) + "." + base64(body);
    crypto_auth_hmacsha256_state state;
    std::array<unsigned char, crypto_auth_hmacsha256_BYTES> mac{};
    crypto_auth_hmacsha256_init(&state, reinterpret_cast<const unsigned char*>(key.data()),
                                key.size());
    crypto_auth_hmacsha256_update(&state, reinterpret_cast<const unsigned char*>(text.data()),
                                  text.size());
    crypto_auth_hmacsha256_final(&state, mac.data());
    return text + "." + base64({mac.begin(), mac.end()});
}

const std::string access_header = R"({"alg":"HS256","typ":"at+jwt"})";

json good_body() {
    return {{"CustomerID", 42},       {"Refresh", false},
            {"aud", "postroom-shop"}, {"exp", 1'800'000'300},
            {"iat", 1'800'000'000},   {"iss", "postroom-shop"},
            {"jti", "one"},           {"sid", 7}};
}

// As verify tells what was issued at noon.
Claims told(Claims issued, Kind kind) {
    issued.expires = std::chrono::floor<seconds>(noon) + at(noon).lifetime(kind);
    return issued;
}

bool refused(const std::string& token) {
    const auto verified = at(noon).verify(Kind::access, token);
    return !verified && verified.error() == Flaw::invalid;
}

TEST(Token, SaysWhoItWasIssuedTo) {
    for (const auto kind : {Kind::access, Kind::refresh}) {
        const auto token = at(noon).issue(kind, claims);
        EXPECT_EQ(at(noon).verify(kind, token), told(claims, kind));
    }
    // So that what the attacks below change is what refuses them.
    EXPECT_EQ(at(noon).verify(Kind::access, sign(access_header, good_body().dump())),
              told(claims, Kind::access));
}

TEST(Token, CarriesTheClaimsOfTheContract) {
    const auto token =
        Tokens{{.secret = secret, .refresh = seconds{86'400}}, [] { return noon; }}.issue(
            Kind::refresh, claims);
    const auto body = token.substr(token.find('.') + 1, token.rfind('.') - token.find('.') - 1);
    std::string text(body.size(), '\0');
    std::size_t size = 0;
    sodium_base642bin(reinterpret_cast<unsigned char*>(text.data()), text.size(), body.data(),
                      body.size(), nullptr, &size, nullptr,
                      sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    text.resize(size);
    auto expected = good_body();
    expected["Refresh"] = true;
    expected["exp"] = 1'800'086'400;
    EXPECT_EQ(json::parse(text), expected);
}

TEST(Token, SaysWhatItsHolderMayDo) {
    auto merchant = claims;
    merchant.role = Role::merchant;
    EXPECT_EQ(at(noon).verify(Kind::access, at(noon).issue(Kind::access, merchant)),
              told(merchant, Kind::access));
    // Only as long as an access token counts: a refresh token says nothing of it.
    EXPECT_EQ(at(noon).verify(Kind::refresh, at(noon).issue(Kind::refresh, merchant)),
              told(claims, Kind::refresh));
    for (const auto& role : {json("emperor"), json(7), json(nullptr), json("")}) {
        auto body = good_body();
        body["role"] = role;
        EXPECT_TRUE(refused(sign(access_header, body.dump()))) << role;
    }
}

TEST(Token, Expires) {
    const auto token = at(noon).issue(Kind::access, claims);
    EXPECT_TRUE(at(noon + seconds{299}).verify(Kind::access, token));
    EXPECT_EQ(at(noon + seconds{300}).verify(Kind::access, token).error(), Flaw::expired);
}

TEST(Token, IsRefusedUnderAnyOtherHeader) {
    for (const auto* header :
         {R"({"alg":"none","typ":"at+jwt"})",
          R"({"alg":"None","typ":"at+jwt"})",
          R"({"alg":"NONE","typ":"at+jwt"})",
          R"({"alg":"HS384","typ":"at+jwt"})",
          R"({"alg":"HS512","typ":"at+jwt"})",
          R"({"alg":"RS256","typ":"at+jwt"})",
          R"({"alg":"ES256","typ":"at+jwt"})",
          R"({"alg":"hs256","typ":"at+jwt"})",
          R"({"typ":"at+jwt"})",
          R"({"alg":"HS256"})",
          R"({"alg":"HS256","typ":"JWT"})",
          R"({"alg":"HS256","typ":"rt+jwt"})",
          R"({"alg":"HS256","typ":"at+jwt","kid":"1"})",
          R"({"alg":"HS256","typ":"at+jwt","kid":"../../dev/null"})",
          R"({"alg":"HS256","typ":"at+jwt","kid":"x' union select 'k"})",
          R"({"alg":"HS256","typ":"at+jwt","jku":"https://attacker.example/keys"})",
          R"({"alg":"HS256","typ":"at+jwt","x5u":"https://attacker.example/key"})",
          R"({"alg":"HS256","typ":"at+jwt","jwk":{"kty":"oct","k":"AAAA"}})",
          R"({"alg":"HS256","typ":"at+jwt","crit":["exp"]})",
          R"({"alg":"HS256","typ":"at+jwt","b64":false,"crit":["b64"]})",
          R"({"alg":"HS256","typ":"at+jwt","zip":"DEF"})",
          R"({"alg":"none","alg":"HS256","typ":"at+jwt"})",
          R"({"alg":"HS256","typ":"at+jwt","typ":"at+jwt"})",
          "{}",
          "[]",
          "null",
          ""}) {
        EXPECT_TRUE(refused(sign(header, good_body().dump()))) << header;
        EXPECT_TRUE(refused(sign(header, good_body().dump(), ""))) << header;
        EXPECT_TRUE(refused(base64(header) + "." + base64(good_body().dump()) + ".")) << header;
    }
}

TEST(Token, IsRefusedWithAClaimMissingOrWrong) {
    for (const auto* name : {"CustomerID", "Refresh", "aud", "exp", "iat", "iss", "jti", "sid"}) {
        auto body = good_body();
        body.erase(name);
        EXPECT_TRUE(refused(sign(access_header, body.dump()))) << name;
        for (const auto& wrong : {json(nullptr), json("x"), json(-1), json(1.5), json(UINT64_MAX),
                                  json(json::array()), json{{"x", 1}}}) {
            if (std::string_view{name} == "jti" && wrong.is_string()) continue;
            body[name] = wrong;
            EXPECT_TRUE(refused(sign(access_header, body.dump()))) << name << ' ' << wrong;
        }
    }
    auto several = good_body();
    several["aud"] = {"postroom-shop", "another"};
    EXPECT_TRUE(refused(sign(access_header, several.dump())));
    auto nobody = good_body();
    nobody["CustomerID"] = 0;
    EXPECT_TRUE(refused(sign(access_header, nobody.dump())));
}

TEST(Token, IsRefusedBeforeItsTime) {
    auto body = good_body();
    for (const auto& nbf : {json(1'800'000'100), json("1"), json(nullptr), json(-1)}) {
        body["nbf"] = nbf;
        EXPECT_TRUE(refused(sign(access_header, body.dump()))) << nbf;
    }
    body["nbf"] = 1'800'000'000;
    EXPECT_FALSE(refused(sign(access_header, body.dump())));
    body["iat"] = 1'800'000'100;
    EXPECT_TRUE(refused(sign(access_header, body.dump())));
}

TEST(Token, IsRefusedAsTheOtherKind) {
    const auto tokens = at(noon);
    EXPECT_TRUE(refused(tokens.issue(Kind::refresh, claims)));
    EXPECT_FALSE(tokens.verify(Kind::refresh, tokens.issue(Kind::access, claims)));
    // Nor does either mark do alone.
    auto body = good_body();
    body["Refresh"] = true;
    EXPECT_TRUE(refused(sign(access_header, body.dump())));
    body["Refresh"] = false;
    EXPECT_TRUE(refused(sign(R"({"alg":"HS256","typ":"rt+jwt"})", body.dump())));
}

TEST(Token, IsRefusedWithAClaimThatComesTwice) {
    const auto once = good_body().dump();
    const auto twice = R"({"CustomerID":1,)" + once.substr(1);
    EXPECT_TRUE(refused(sign(access_header, twice)));
    const auto same = R"({"CustomerID":42,)" + once.substr(1);
    EXPECT_TRUE(refused(sign(access_header, same)));
}

TEST(Token, IsRefusedWhenAnythingOfItIsChanged) {
    const auto token = at(noon).issue(Kind::access, claims);
    for (std::size_t i = 0; i < token.size(); ++i) {
        auto changed = token;
        changed[i] = changed[i] == 'A' ? 'B' : 'A';
        EXPECT_TRUE(refused(changed)) << i;
        EXPECT_TRUE(refused(token.substr(0, i))) << i;
    }
    // Among them, bits that base64 leaves over at the end.
    for (const auto* tail : {"=", "==", " ", "\n", ".", "A", "\xff"}) {
        EXPECT_TRUE(refused(token + tail)) << tail;
        EXPECT_TRUE(refused(tail + token)) << tail;
    }
    EXPECT_TRUE(refused(sign(access_header, good_body().dump(), secret + "!")));
    EXPECT_TRUE(refused(sign(access_header, "[]")));
    EXPECT_TRUE(refused(sign(access_header, good_body().dump() + "{}")));
    auto long_body = good_body();
    long_body["more"] = std::string(4096, 'x');
    EXPECT_TRUE(refused(sign(access_header, long_body.dump())));
    for (const auto* text : {"", ".", "..", "...", "a.b", "a.b.c.d"}) EXPECT_TRUE(refused(text));
}

TEST(Token, NeedsASecretOf32Bytes) {
    const std::string short_secret(31, 's');
    try {
        const Tokens tokens{{.secret = short_secret}};
        FAIL() << "31 bytes should not do";
    } catch (const std::invalid_argument& error) {
        EXPECT_FALSE(std::string{error.what()}.contains(short_secret));
    }
    EXPECT_NO_THROW(Tokens{{.secret = std::string(32, 's')}});
}

TEST(Token, HasAnIdOfItsOwn) { EXPECT_NE(make_id(), make_id()); }

}  // namespace
}  // namespace domain::token

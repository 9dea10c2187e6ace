// Who may call account by gRPC, and how: token, TLS, sizes, health, reflection.

#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>

#include <filesystem>
#include <fstream>
#include <future>

#include "auth.grpc.pb.h"
#include "http/auth.hpp"
#include "http/grpc_client.hpp"
#include "integration/account_fixture.hpp"
#include "support/certificates.hpp"

namespace {

using std::chrono::seconds;
constexpr auto token = support::TokenFile::token;

class AccountGrpcTest : public support::AccountTest {
protected:
    static std::string read(const std::filesystem::path& path) {
        std::ifstream file(path);
        return {std::istreambuf_iterator<char>{file}, {}};
    }

    std::string address(const std::string& host = "127.0.0.1") {
        const auto& bound = shop->grpc("account");
        return host + bound.substr(bound.rfind(':'));
    }

    // What Auth says of no token at all.
    static grpc::StatusCode ask(const std::string& address, const http::GrpcSecurity& security) {
        const auto stub = auth::AuthService::NewStub(http::channel_to(address, security));
        auth::AuthResponse response;
        grpc::ClientContext context;
        context.set_deadline(std::chrono::system_clock::now() + seconds{10});
        http::sign(context, security);
        return stub->Auth(&context, {}, &response).error_code();
    }

    // Of a method by its name, with an empty message; appends what it answers.
    grpc::StatusCode call(const std::string& method, std::string& answer) {
        grpc::GenericStub stub{http::channel_to(address(), {})};
        grpc::ClientContext context;
        context.set_deadline(std::chrono::system_clock::now() + seconds{10});
        const grpc::Slice nothing;
        const grpc::ByteBuffer request{&nothing, 1};
        grpc::ByteBuffer response;
        std::promise<grpc::Status> done;
        stub.UnaryCall(&context, method, {}, &request, &response,
                       [&](const grpc::Status& status) { done.set_value(status); });
        const auto status = done.get_future().get();
        std::vector<grpc::Slice> slices;
        if (status.ok()) static_cast<void>(response.Dump(&slices));
        for (const auto& slice : slices) answer.append(slice.begin(), slice.end());
        return status.error_code();
    }
};

constexpr auto of_reflection = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo";

TEST_F(AccountGrpcTest, TellsItsHealthAndNotItsMethods) {
    std::string health, methods;
    EXPECT_EQ(call("/grpc.health.v1.Health/Check", health), grpc::StatusCode::OK);
    EXPECT_EQ(health, "\x08\x01");  // status: SERVING
    EXPECT_EQ(call(of_reflection, methods), grpc::StatusCode::UNIMPLEMENTED);
    start({{"SHOP_GRPC_REFLECTION", "true"}});
    EXPECT_NE(call(of_reflection, methods), grpc::StatusCode::UNIMPLEMENTED);
}

TEST_F(AccountGrpcTest, IsForThoseWhoHaveTheTokenAndTrustTheCertificate) {
    const support::Certificates certificates;
    const support::TokenFile file;
    start({{"SHOP_GRPC_TOKEN_FILE", file.path()},
           {"SHOP_GRPC_CERTIFICATE_FILE", certificates.certificate()},
           {"SHOP_GRPC_KEY_FILE", certificates.key()}});

    const auto trusted = read(certificates.authority());
    const auto with = [&](const std::string& shown) {
        return ask(address("localhost"), {.token = shown, .authority = trusted});
    };
    EXPECT_EQ(with(token),
              grpc::StatusCode::UNAUTHENTICATED);  // it is the customer's that is missing
    EXPECT_EQ(with(""), grpc::StatusCode::PERMISSION_DENIED);
    EXPECT_EQ(with(std::string{token} + "x"), grpc::StatusCode::PERMISSION_DENIED);

    EXPECT_EQ(ask(address("localhost"), {.token = token}), grpc::StatusCode::UNAVAILABLE);
    EXPECT_EQ(
        ask(address("localhost"), {.token = token, .authority = read(certificates.stranger())}),
        grpc::StatusCode::UNAVAILABLE);
    // Its certificate is for another name.
    EXPECT_EQ(ask(address(), {.token = token, .authority = trusted}),
              grpc::StatusCode::UNAVAILABLE);

    // As the other services ask.
    const auto pair = enroll(ada());
    http::Log quiet{"off"};
    const auto authenticate =
        http::ask_account({.secret = secret}, address("localhost"), quiet,
                          domain::token::Role::customer, {.token = token, .authority = trusted});
    EXPECT_TRUE(authenticate({"GET", "/", {{"Authorization", "Bearer " + pair.access}}, "here"}));
    post("logout", {{"refresh_token", pair.refresh}});
    const auto later =
        http::ask_account({.secret = secret}, address("localhost"), quiet,
                          domain::token::Role::customer, {.token = token, .authority = trusted});
    EXPECT_FALSE(later({"GET", "/", {{"Authorization", "Bearer " + pair.access}}, "here"}));
}

}  // namespace

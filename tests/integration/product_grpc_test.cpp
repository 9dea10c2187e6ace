// Who may call product by gRPC, and how: token and TLS.

#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "http/grpc_client.hpp"
#include "integration/shop_process.hpp"
#include "product.grpc.pb.h"
#include "support/certificates.hpp"

namespace {

using support::TokenFile;

std::string read(const std::filesystem::path& path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>{file}, {}};
}

class ProductGrpcTest : public testing::Test {
protected:
    // What both of its methods say of no products.
    static std::vector<grpc::StatusCode> ask(const std::string& address,
                                             const http::GrpcSecurity& security) {
        const auto stub = product::ProductService::NewStub(http::channel_to(address, security));
        const auto told = [&](auto method, auto request, auto response) {
            grpc::ClientContext context;
            context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds{10});
            http::sign(context, security);
            return ((*stub).*method)(&context, request, &response).error_code();
        };
        using Stub = product::ProductService::Stub;
        return {told(&Stub::CheckProducts, product::CheckProductsRequest{},
                     product::CheckProductsResponse{}),
                told(&Stub::GetProducts, product::GetProductsRequest{},
                     product::GetProductsResponse{})};
    }
    static std::vector<grpc::StatusCode> both(grpc::StatusCode code) { return {code, code}; }

    support::ShopDatabases databases_{{"product"}};
};

TEST_F(ProductGrpcTest, IsForThoseWhoHaveTheTokenAndTrustTheCertificate) {
    const support::Certificates certificates;
    support::ShopProcess shop{databases_,
                              {"product"},
                              {{"SHOP_GRPC_CERTIFICATE_FILE", certificates.certificate()},
                               {"SHOP_GRPC_KEY_FILE", certificates.key()}}};
    const auto& bound = shop.grpc("product");
    const auto named = "localhost" + bound.substr(bound.rfind(':'));
    const auto trusted = read(certificates.authority());
    const auto with = [&](const std::string& shown) {
        return ask(named, {.token = shown, .authority = trusted});
    };
    EXPECT_EQ(with(TokenFile::token), both(grpc::StatusCode::OK));
    EXPECT_EQ(with(""), both(grpc::StatusCode::PERMISSION_DENIED));
    EXPECT_EQ(with(std::string{TokenFile::token} + "x"), both(grpc::StatusCode::PERMISSION_DENIED));

    constexpr auto token = TokenFile::token;
    const auto refused = both(grpc::StatusCode::UNAVAILABLE);
    EXPECT_EQ(ask(named, {.token = token}), refused);
    EXPECT_EQ(ask(named, {.token = token, .authority = read(certificates.stranger())}), refused);
    // Its certificate is for another name.
    EXPECT_EQ(ask(bound, {.token = token, .authority = trusted}), refused);
}

}  // namespace

// What product says of the products that a purchase asks for, over gRPC. Thread-safe.
#pragma once

#include <memory>
#include <string>
#include <tl/expected.hpp>

#include "domain/purchase/purchase.hpp"
#include "domain/trace.hpp"
#include "http/grpc_security.hpp"
#include "http/message.hpp"

namespace http::purchase {

class ProductClient {
public:
    // address: host:port. Connects when it is first asked.
    explicit ProductClient(const std::string& address, const GrpcSecurity& security = {});
    ~ProductClient();
    ProductClient(const ProductClient&) = delete;
    ProductClient& operator=(const ProductClient&) = delete;

    // Offers of those that exist; without names when one is missing or out of stock, as that
    // settles it. Each of the two questions may take 1 s, and is asked again once when nobody was
    // there. A problem (503 with Retry-After) when product is away, slow, or cannot say; throws
    // std::runtime_error for an answer that makes no sense.
    tl::expected<domain::purchase::Offers, Problem> offers(
        const domain::purchase::PlacePurchase& command, const domain::Trace& trace) const;

private:
    class Stub;  // keeps gRPC out of this header
    std::unique_ptr<Stub> stub_;
};

}  // namespace http::purchase

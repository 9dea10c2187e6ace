#include "http/purchase/product_client.hpp"

#include <chrono>
#include <cstdint>
#include <stdexcept>

#include "http/grpc_client.hpp"
#include "product.grpc.pb.h"

namespace http::purchase {
namespace {

using domain::purchase::Offer;
using domain::purchase::Offers;
constexpr std::chrono::seconds deadline{1};

Problem away(const std::string& why) {
    return {
        503, "product cannot be asked now (" + why + "): try again", {}, {{"Retry-After", "1"}}};
}

bool is_away(const grpc::Status& status) {
    const auto code = status.error_code();
    return code == grpc::UNAVAILABLE || code == grpc::DEADLINE_EXCEEDED ||
           code == grpc::RESOURCE_EXHAUSTED;
}

// Calls once, and again when nobody was there; that time it waits for a connection.
template <class Call>
tl::expected<void, Problem> ask(const domain::Trace& trace, const GrpcSecurity& security,
                                Call call) {
    const auto until = std::chrono::system_clock::now() + deadline;
    grpc::Status status;
    for (const bool again : {false, true}) {
        grpc::ClientContext context;
        context.set_deadline(until);
        context.set_wait_for_ready(again);
        for (const auto& [name, value] : trace.headers()) context.AddMetadata(name, value);
        sign(context, security);
        status = call(context);
        if (status.error_code() != grpc::UNAVAILABLE) break;
    }
    if (status.ok()) return {};
    if (is_away(status)) return tl::unexpected(away(status.error_message()));
    throw std::runtime_error("product: " + status.error_message());
}

std::int64_t whole(std::uint64_t number) {
    if (number > INT64_MAX) throw std::runtime_error("product: a number is too large");
    return static_cast<std::int64_t>(number);
}

// What does not exist is not among them.
Offers read_offers(const product::GetProductsResponse& response,
                   const domain::purchase::PlacePurchase& command) {
    Offers offers;
    for (const auto& each : response.products()) {
        const domain::ProductId id{whole(each.id())};
        const auto wanted = command.wanted.find(id);
        if (wanted == command.wanted.end()) continue;
        offers.emplace(id, Offer{.in_stock = whole(each.inventory()) >= wanted->second.quantity,
                                 .price = whole(each.price()),
                                 .category = whole(each.category()),
                                 .name = each.name(),
                                 .brand_name = each.brand_name(),
                                 .description = each.description()});
    }
    return offers;
}

}  // namespace

class ProductClient::Stub {
public:
    Stub(const std::string& address, const GrpcSecurity& security)
        : security_(security),
          service_(product::ProductService::NewStub(channel_to(address, security))) {}
    product::ProductService::Stub& operator*() const { return *service_; }
    const GrpcSecurity& security() const { return security_; }

private:
    const GrpcSecurity security_;
    std::unique_ptr<product::ProductService::Stub> service_;
};

ProductClient::ProductClient(const std::string& address, const GrpcSecurity& security)
    : stub_(std::make_unique<Stub>(address, security)) {}
ProductClient::~ProductClient() = default;

tl::expected<Offers, Problem> ProductClient::offers(const domain::purchase::PlacePurchase& command,
                                                    const domain::Trace& trace) const {
    product::GetProductsRequest question;
    for (const auto& [product, wanted] : command.wanted)
        question.add_product_ids(static_cast<std::uint64_t>(product.value));
    product::GetProductsResponse answer;
    const auto asked = ask(trace, stub_->security(), [&](grpc::ClientContext& context) {
        return (**stub_).GetProducts(&context, question, &answer);
    });
    if (!asked) return tl::unexpected(asked.error());
    return read_offers(answer, command);
}

}  // namespace http::purchase

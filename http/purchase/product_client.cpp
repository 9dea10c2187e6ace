#include "http/purchase/product_client.hpp"

#include <algorithm>
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

tl::expected<Offers, Problem> read_statuses(const product::CheckProductsResponse& response) {
    Offers offers;
    for (const auto& each : response.statuses()) {
        if (each.status() == product::NOT_FOUND) continue;
        if (each.status() != product::OK && each.status() != product::NOT_ENOUGH)
            return tl::unexpected(away("it has trouble of its own"));
        offers.emplace(domain::ProductId{whole(each.product_id())},
                       Offer{.in_stock = each.status() == product::OK,
                             .price = whole(each.price()),
                             .category = 0,
                             .name = {},
                             .brand_name = {},
                             .description = {}});
    }
    return offers;
}

// One that has gone meanwhile is unknown.
Offers named(const Offers& offers, const product::GetProductsResponse& response) {
    Offers all;
    for (const auto& each : response.products()) {
        const auto found = offers.find(domain::ProductId{whole(each.id())});
        if (found == offers.end()) continue;
        auto offer = found->second;
        offer.category = whole(each.category());
        offer.name = each.name();
        offer.brand_name = each.brand_name();
        offer.description = each.description();
        all.emplace(found->first, std::move(offer));
    }
    return all;
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
    product::CheckProductsRequest question;
    product::GetProductsRequest names;
    for (const auto& [product, wanted] : command.wanted) {
        auto& item = *question.add_items();
        item.set_product_id(static_cast<std::uint64_t>(product.value));
        item.set_quantity(static_cast<std::uint64_t>(wanted.quantity));
        names.add_product_ids(item.product_id());
    }
    product::CheckProductsResponse statuses;
    const auto checked = ask(trace, stub_->security(), [&](grpc::ClientContext& context) {
        return (**stub_).CheckProducts(&context, question, &statuses);
    });
    if (!checked) return tl::unexpected(checked.error());
    auto offers = read_statuses(statuses);
    if (!offers || offers->size() != command.wanted.size() ||
        !std::ranges::all_of(*offers, [](const auto& offer) { return offer.second.in_stock; })) {
        return offers;
    }
    product::GetProductsResponse products;
    const auto got = ask(trace, stub_->security(), [&](grpc::ClientContext& context) {
        return (**stub_).GetProducts(&context, names, &products);
    });
    if (!got) return tl::unexpected(got.error());
    return named(*offers, products);
}

}  // namespace http::purchase

#include "http/product/product_rpc.hpp"

#include <algorithm>
#include <format>
#include <map>
#include <utility>

#include "faults.hpp"
#include "product.grpc.pb.h"

namespace http::product {
namespace {

namespace proto = ::product;
using domain::ProductId;
using Products = std::map<ProductId, domain::product::Product>;

constexpr int most_items = 500;

grpc::Status invalid(const char* field, const std::string& detail) {
    return {grpc::StatusCode::INVALID_ARGUMENT, std::string{field} + ": " + detail};
}

grpc::Status too_many(const char* field) {
    return invalid(field, std::format("may have {} entries at most", most_items));
}

// What no product's id can be is one that does not exist.
ProductId to_id(std::uint64_t id) {
    return ProductId{id > INT64_MAX ? 0 : static_cast<std::int64_t>(id)};
}

// In a sum of 500, none of which is forgotten by wrapping.
std::int64_t to_quantity(std::uint64_t quantity) {
    return static_cast<std::int64_t>(std::min<std::uint64_t>(quantity, domain::product::most + 1));
}

proto::Status status(const Products& products, ProductId id, std::int64_t quantity) {
    const auto found = products.find(id);
    if (found == products.end()) return proto::NOT_FOUND;
    if (!domain::product::suffices(found->second.inventory, quantity)) return proto::NOT_ENOUGH;
    return proto::OK;
}

class Answers final : public proto::ProductService::Service {
public:
    Answers(domain::product::ProductService& service, RpcGuard guard)
        : service_(service), guard_(std::move(guard)) {}

    grpc::Status CheckProducts(grpc::ServerContext* context,
                               const proto::CheckProductsRequest* request,
                               proto::CheckProductsResponse* response) override {
        if (request->items_size() > most_items) return too_many("items");
        domain::product::Quantities wanted;
        for (const auto& item : request->items()) {
            if (item.quantity() == 0) return invalid("quantity", "must be at least 1");
            wanted[to_id(item.product_id())] += to_quantity(item.quantity());
        }
        return guard_(*context, "CheckProducts", [&] {
            std::vector<ProductId> ids;
            for (const auto& [id, quantity] : wanted) ids.push_back(id);
            const auto products = find(ids);
            for (const auto& item : request->items()) {
                const auto id = to_id(item.product_id());
                auto& answer = *response->add_statuses();
                answer.set_product_id(item.product_id());
                answer.set_status(status(products, id, wanted.at(id)));
                if (answer.status() != proto::NOT_FOUND)
                    answer.set_price(static_cast<std::uint64_t>(products.at(id).price));
            }
            return grpc::Status::OK;
        });
    }

    grpc::Status GetProducts(grpc::ServerContext* context, const proto::GetProductsRequest* request,
                             proto::GetProductsResponse* response) override {
        if (request->product_ids_size() > most_items) return too_many("product_ids");
        return guard_(*context, "GetProducts", [&] {
            std::vector<ProductId> ids;
            for (const auto id : request->product_ids()) ids.push_back(to_id(id));
            for (const auto& [id, product] : find(ids)) {
                auto& answer = *response->add_products();
                answer.set_id(static_cast<std::uint64_t>(id.value));
                answer.set_category(static_cast<std::uint64_t>(product.category.value));
                answer.set_name(product.name);
                answer.set_brand_name(product.brand_name);
                answer.set_description(product.description);
                answer.set_price(static_cast<std::uint64_t>(product.price));
                answer.set_inventory(static_cast<std::uint64_t>(product.inventory));
            }
            return grpc::Status::OK;
        });
    }

private:
    Products find(const std::vector<ProductId>& ids) {
        Products products;
        if (faults::mutant("stock_from_cache") && !ids.empty() && remembered_.contains(ids.front()))
            return remembered_;
        for (auto& product : service_.find(ids)) products.emplace(product.id, std::move(product));
        if (faults::mutant("stock_from_cache")) remembered_ = products;
        return products;
    }

    domain::product::ProductService& service_;
    RpcGuard guard_;
    Products remembered_{};  // by a mutant alone
};

}  // namespace

std::shared_ptr<grpc::Service> make_product_rpc(domain::product::ProductService& service,
                                                RpcGuard guard) {
    return std::make_shared<Answers>(service, std::move(guard));
}

}  // namespace http::product

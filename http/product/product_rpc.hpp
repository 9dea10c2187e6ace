// Product over gRPC: what there is of products, for those that sell them. http/proto/product.proto.
//
//   CheckProducts  for each item, in its order: OK with the price, NOT_FOUND, or NOT_ENOUGH for all
//                  the items of that product together
//   GetProducts    those of the products that exist, ascending by id
//
// INVALID_ARGUMENT for more than 500 items or ids, and for a quantity of 0; UNAVAILABLE when the
// database is. Thread-safe.
#pragma once

#include <memory>

#include "domain/product/product_service.hpp"
#include "http/grpc_server.hpp"

namespace http::product {

// 500 products with the longest texts fit.
constexpr int grpc_message_limit = 4 << 20;

// Both must outlive it.
std::shared_ptr<grpc::Service> make_product_rpc(domain::product::ProductService& service,
                                                RpcGuard guard);

}  // namespace http::product

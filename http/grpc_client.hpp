// Calls by gRPC, as this process's GrpcSecurity wants them.
#pragma once

#include <grpcpp/grpcpp.h>

#include <memory>
#include <string>

#include "http/grpc_security.hpp"

namespace http {

// Connects when it is first used, and quickly again; never by a proxy of the environment.
std::shared_ptr<grpc::Channel> channel_to(const std::string& address, const GrpcSecurity& security);

// Shows the token.
void sign(grpc::ClientContext& context, const GrpcSecurity& security);

}  // namespace http

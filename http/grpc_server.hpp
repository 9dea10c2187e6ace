// The gRPC port of a service: bounds on threads and message sizes, the standard health service,
// which anyone may ask, graceful stop. Plaintext, for loopback or a network that encrypts, unless
// there is a certificate.
//
//   service.attach(std::make_shared<GrpcServer>(
//       GrpcOptions{.service = "account", .listen = shop.config.grpc.at("account")},
//       std::vector<std::shared_ptr<grpc::Service>>{rpc}, shop.log));
//
//   grpc::Status Check(context, …) override {   // in a grpc::Service, with an RpcGuard
//       return guard_(*context, "CheckProducts", [&] { …; return grpc::Status::OK; });
//   }
#pragma once

#include <grpcpp/support/status.h>

#include <functional>
#include <memory>
#include <outbox/tracing/tracing.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "http/grpc_security.hpp"
#include "http/log.hpp"
#include "http/service.hpp"

namespace grpc {
class Server;
class ServerContext;
class Service;
}  // namespace grpc

namespace http {

struct GrpcOptions {
    std::string service;        // for the log
    std::string listen;         // host:port; port 0 picks a free one, which the log tells
    int threads = 128;          // calls at once, more are refused: those of two callers' listeners
    int message_limit = 65536;  // bytes, either way
    bool reflection = false;
    GrpcSecurity security = {};  // certificate and key
    const tracing::Tracer& tracer = tracing::Tracer::off();
};

class GrpcServer : public Companion {
public:
    using Services = std::vector<std::shared_ptr<grpc::Service>>;

    GrpcServer(GrpcOptions options, Services services, Log& log);
    ~GrpcServer() override;  // stops

    void start() override;  // throws StartError when the address is malformed or taken
    void drain() override;  // from now on the health service says NOT_SERVING
    void stop() override;   // finishes the calls that have begun, for at most 5 s

    // host:port as bound, after start.
    const std::string& address() const { return address_; }

private:
    const GrpcOptions options_;
    Services services_;
    Log& log_;
    std::string address_;
    std::unique_ptr<grpc::Server> server_;
};

// Around each method: who calls shows the token, where there is one; no exception reaches gRPC.
class RpcGuard {
public:
    explicit RpcGuard(Log& log, const GrpcSecurity& security = {});

    // What run returns; PERMISSION_DENIED without the token: UNAUTHENTICATED is what account says
    // of a customer's. An exception becomes UNAVAILABLE, and its text goes to the log only.
    grpc::Status operator()(const grpc::ServerContext& context, std::string_view method,
                            const std::function<grpc::Status()>& run) const;

private:
    Log& log_;
    std::string wanted_;  // empty: nothing
};

}  // namespace http

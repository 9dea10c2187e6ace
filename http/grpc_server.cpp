#include "http/grpc_server.hpp"

#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/grpcpp.h>

#include <chrono>

#include "http/grpc_tracing.hpp"

namespace http {
namespace {

constexpr std::chrono::seconds longest_stop{5};

}  // namespace

GrpcServer::GrpcServer(GrpcOptions options, Services services, Log& log)
    : options_(std::move(options)), services_(std::move(services)), log_(log) {}

GrpcServer::~GrpcServer() { GrpcServer::stop(); }

void GrpcServer::start() {
    grpc::EnableDefaultHealthCheckService(true);
    if (options_.reflection) grpc::reflection::InitProtoReflectionServerBuilderPlugin();
    grpc::ServerBuilder builder;
    grpc::ResourceQuota quota{options_.service};
    quota.SetMaxThreads(options_.threads);
    int port = 0;
    builder.SetResourceQuota(quota)
        .SetMaxReceiveMessageSize(options_.message_limit)
        .SetMaxSendMessageSize(options_.message_limit)
        .AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0)
        .AddListeningPort(options_.listen, grpc::InsecureServerCredentials(), &port);
    builder.experimental().SetInterceptorCreators(trace_answers(options_.tracer));
    for (const auto& service : services_) builder.RegisterService(service.get());
    server_ = builder.BuildAndStart();
    if (!server_ || port == 0) {
        throw StartError(options_.service + ": cannot speak gRPC on " + options_.listen +
                         ". Is the address host:port, and free?");
    }
    address_ = options_.listen.substr(0, options_.listen.rfind(':') + 1) + std::to_string(port);
    log_.info("speaking gRPC", {{"service", options_.service}, {"address", address_}});
}

void GrpcServer::drain() {
    if (server_) server_->GetHealthCheckService()->SetServingStatus(false);
}

void GrpcServer::stop() {
    if (!server_) return;
    server_->Shutdown(std::chrono::system_clock::now() + longest_stop);
    server_->Wait();
    server_.reset();
}

grpc::Status guarded(Log& log, std::string_view method, const std::function<grpc::Status()>& run) {
    try {
        return run();
    } catch (const std::exception& error) {
        log.error("gRPC call failed", {{"method", method}, {"error", error.what()}});
        return {grpc::StatusCode::UNAVAILABLE, "it failed here; try again"};
    }
}

}  // namespace http

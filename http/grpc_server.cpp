#include "http/grpc_server.hpp"

#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/grpcpp.h>

#include <chrono>
#include <iterator>

#include "faults.hpp"
#include "http/grpc_tracing.hpp"
#include "http/secret.hpp"

namespace http {
namespace {

constexpr std::chrono::seconds longest_stop{5};
constexpr int most_idle = 8;  // threads

// The library for reflection adds it to every server, merely by being linked.
class WithoutReflection final : public grpc::ServerBuilderOption {
    void UpdateArguments(grpc::ChannelArguments*) override {}
    void UpdatePlugins(std::vector<std::unique_ptr<grpc::ServerBuilderPlugin>>* plugins) override {
        std::erase_if(*plugins, [](const auto& plugin) { return plugin->name() == reflection; });
    }

    static constexpr auto reflection = "proto_server_reflection";
};

std::shared_ptr<grpc::ServerCredentials> credentials_by(const GrpcSecurity& security) {
    if (security.certificate.empty()) return grpc::InsecureServerCredentials();
    grpc::SslServerCredentialsOptions options;
    options.pem_key_cert_pairs.push_back({security.key, security.certificate});
    return grpc::SslServerCredentials(options);
}

bool shows(const grpc::ServerContext& context, const std::string& wanted) {
    const auto& metadata = context.client_metadata();
    const auto [first, last] = metadata.equal_range("authorization");
    return std::distance(first, last) == 1 &&
           is_same_secret({first->second.data(), first->second.size()}, wanted);
}

}  // namespace

GrpcServer::GrpcServer(GrpcOptions options, Services services, Log& log)
    : options_(std::move(options)), services_(std::move(services)), log_(log) {}

GrpcServer::~GrpcServer() { GrpcServer::stop(); }

void GrpcServer::start() {
    grpc::EnableDefaultHealthCheckService(true);
    grpc::reflection::InitProtoReflectionServerBuilderPlugin();  // links the library
    grpc::ServerBuilder builder;
    if (!options_.reflection && !faults::mutant("reflects"))
        builder.SetOption(std::make_unique<WithoutReflection>());
    // Threads that wait for calls stay: by default one ends and another begins at nearly each call.
    builder.SetSyncServerOption(grpc::ServerBuilder::NUM_CQS, 1)
        .SetSyncServerOption(grpc::ServerBuilder::MIN_POLLERS, 1)
        .SetSyncServerOption(grpc::ServerBuilder::MAX_POLLERS, most_idle);
    grpc::ResourceQuota quota{options_.service};
    quota.SetMaxThreads(options_.threads);
    int port = 0;
    builder.SetResourceQuota(quota)
        .SetMaxReceiveMessageSize(faults::mutant("any_message") ? -1 : options_.message_limit)
        .SetMaxSendMessageSize(options_.message_limit)
        .AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0)
        .AddListeningPort(options_.listen, credentials_by(options_.security), &port);
    builder.experimental().SetInterceptorCreators(trace_answers(options_.tracer));
    for (const auto& service : services_) builder.RegisterService(service.get());
    server_ = builder.BuildAndStart();
    if (!server_ || port == 0) {
        throw StartError(options_.service + ": cannot speak gRPC on " + options_.listen +
                         ". Is the address host:port, and free? Does the key fit the certificate?");
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

RpcGuard::RpcGuard(Log& log, const GrpcSecurity& security)
    : log_(log), wanted_(security.token.empty() ? "" : "Bearer " + security.token) {}

grpc::Status RpcGuard::operator()(const grpc::ServerContext& context, std::string_view method,
                                  const std::function<grpc::Status()>& run) const {
    if (!wanted_.empty() && !shows(context, wanted_) && !faults::mutant("any_caller"))
        return {grpc::StatusCode::PERMISSION_DENIED, "show the services' token"};
    try {
        return run();
    } catch (const std::exception& error) {
        log_.error("gRPC call failed", {{"method", method}, {"error", error.what()}});
        return {grpc::StatusCode::UNAVAILABLE, "it failed here; try again"};
    }
}

}  // namespace http

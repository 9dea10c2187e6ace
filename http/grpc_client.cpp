#include "http/grpc_client.hpp"

#include "http/grpc_tracing.hpp"

namespace http {

std::shared_ptr<grpc::Channel> channel_to(const std::string& address,
                                          const GrpcSecurity& security) {
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
    arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100);
    // How long an attempt may take, TLS's handshake and the peer's first frame included.
    arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 2000);
    arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 1000);
    const auto credentials = security.authority.empty()
                                 ? grpc::InsecureChannelCredentials()
                                 : grpc::SslCredentials({.pem_root_certs = security.authority,
                                                         .pem_private_key = {},
                                                         .pem_cert_chain = {}});
    return grpc::experimental::CreateCustomChannelWithInterceptors(address, credentials, arguments,
                                                                   trace_calls());
}

void sign(grpc::ClientContext& context, const GrpcSecurity& security) {
    if (!security.token.empty()) context.AddMetadata("authorization", "Bearer " + security.token);
}

}  // namespace http

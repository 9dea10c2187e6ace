// Spans of gRPC calls, at both ends: the client's goes under the work of the calling thread, and
// its traceparent with the call; the server's goes on from there.
//
//   grpc::experimental::CreateCustomChannelWithInterceptors(address, credentials, arguments,
//                                                           trace_calls());
//   builder.experimental().SetInterceptorCreators(trace_answers(tracer));
#pragma once

#include <grpcpp/support/client_interceptor.h>
#include <grpcpp/support/server_interceptor.h>

#include <memory>
#include <outbox/tracing/tracing.hpp>
#include <vector>

namespace http {

std::vector<std::unique_ptr<grpc::experimental::ClientInterceptorFactoryInterface>> trace_calls();

// The tracer must outlive the server.
std::vector<std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface>> trace_answers(
    const tracing::Tracer& tracer);

}  // namespace http

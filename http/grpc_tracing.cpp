#include "http/grpc_tracing.hpp"

#include <string>
#include <string_view>
#include <utility>

#include "http/work.hpp"

namespace http {
namespace {

namespace experimental = grpc::experimental;
using experimental::InterceptionHookPoints;

// "/auth.AuthService/Auth" is called auth.AuthService/Auth.
tracing::Span described(tracing::Span span, std::string_view method) {
    const auto slash = method.find('/', 1);
    span.set("rpc.system", "grpc");
    span.set("rpc.service", method.substr(1, slash - 1));
    span.set("rpc.method", method.substr(slash + 1));
    return span;
}

void end(tracing::Span& span, const grpc::Status& status) {
    span.set("rpc.grpc.status_code", status.error_code());
    if (!status.ok()) span.fail(status.error_message());
    span.end();
}

class Call : public experimental::Interceptor {
public:
    explicit Call(tracing::Span span) : span_(std::move(span)) {}

    void Intercept(  // NOLINT(readability-identifier-naming): gRPC's name
        experimental::InterceptorBatchMethods* methods) override {
        if (methods->QueryInterceptionHookPoint(
                InterceptionHookPoints::PRE_SEND_INITIAL_METADATA)) {
            auto& sent = *methods->GetSendInitialMetadata();
            sent.erase("traceparent");
            sent.emplace("traceparent", span_.traceparent());
            if (const auto state = span_.tracestate(); !state.empty())
                sent.emplace("tracestate", state);
        }
        if (methods->QueryInterceptionHookPoint(InterceptionHookPoints::POST_RECV_STATUS))
            end(span_, *methods->GetRecvStatus());
        methods->Proceed();
    }

private:
    tracing::Span span_;
};

class Calls : public experimental::ClientInterceptorFactoryInterface {
public:
    experimental::Interceptor* CreateClientInterceptor(  // NOLINT(readability-identifier-naming)
        experimental::ClientRpcInfo* info) override {
        const auto* const work = Work::current();
        const std::string_view method = info->method();
        if (work == nullptr) return nullptr;
        auto span = work->child(method.substr(1), tracing::Kind::client);
        return span ? new Call{described(std::move(span), method)} : nullptr;  // gRPC owns it
    }
};

class Answer : public experimental::Interceptor {
public:
    Answer(const tracing::Tracer& tracer, std::string_view method)
        : tracer_(tracer), method_(method) {}

    void Intercept(  // NOLINT(readability-identifier-naming): gRPC's name
        experimental::InterceptorBatchMethods* methods) override {
        if (methods->QueryInterceptionHookPoint(
                InterceptionHookPoints::POST_RECV_INITIAL_METADATA)) {
            const auto& received = *methods->GetRecvInitialMetadata();
            const auto header = [&](const char* name) {
                const auto found = received.find(name);
                return found == received.end()
                           ? std::string_view{}
                           : std::string_view{found->second.data(), found->second.size()};
            };
            span_ = described(tracer_.start({.name = std::string_view{method_}.substr(1),
                                             .kind = tracing::Kind::server,
                                             .traceparent = header("traceparent"),
                                             .tracestate = header("tracestate")}),
                              method_);
        }
        if (methods->QueryInterceptionHookPoint(InterceptionHookPoints::PRE_SEND_STATUS))
            end(span_, methods->GetSendStatus());
        methods->Proceed();
    }

private:
    const tracing::Tracer& tracer_;
    const std::string method_;
    tracing::Span span_;
};

// Whoever only looks after the process is not traced.
class Answers : public experimental::ServerInterceptorFactoryInterface {
public:
    explicit Answers(const tracing::Tracer& tracer) : tracer_(tracer) {}
    experimental::Interceptor* CreateServerInterceptor(  // NOLINT(readability-identifier-naming)
        experimental::ServerRpcInfo* info) override {
        const std::string_view method = info->method();
        return method.starts_with("/grpc.") ? nullptr : new Answer{tracer_, method};
    }

private:
    const tracing::Tracer& tracer_;
};

}  // namespace

std::vector<std::unique_ptr<experimental::ClientInterceptorFactoryInterface>> trace_calls() {
    std::vector<std::unique_ptr<experimental::ClientInterceptorFactoryInterface>> all;
    all.push_back(std::make_unique<Calls>());
    return all;
}

std::vector<std::unique_ptr<experimental::ServerInterceptorFactoryInterface>> trace_answers(
    const tracing::Tracer& tracer) {
    std::vector<std::unique_ptr<experimental::ServerInterceptorFactoryInterface>> all;
    all.push_back(std::make_unique<Answers>(tracer));
    return all;
}

}  // namespace http

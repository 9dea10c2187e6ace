#include "domain/cache/connection.hpp"

#include <poll.h>

#include <cerrno>
#include <charconv>

namespace domain::cache {
namespace {

timeval to_timeval(std::chrono::milliseconds span) {
    return {.tv_sec = span.count() / 1000, .tv_usec = span.count() % 1000 * 1000};
}

Reply convert(const redisReply& from) {
    Reply reply;
    switch (from.type) {
        case REDIS_REPLY_NIL:
            break;
        case REDIS_REPLY_INTEGER:
        case REDIS_REPLY_BOOL:
            reply.kind = Reply::Kind::integer;
            reply.integer = from.integer;
            break;
        case REDIS_REPLY_ARRAY:
        case REDIS_REPLY_MAP:
        case REDIS_REPLY_SET:
        case REDIS_REPLY_PUSH:
            reply.kind = Reply::Kind::list;
            reply.list.reserve(from.elements);
            for (std::size_t i = 0; i < from.elements; ++i)
                reply.list.push_back(convert(*from.element[i]));
            break;
        default:
            reply.kind = from.type == REDIS_REPLY_ERROR ? Reply::Kind::error : Reply::Kind::text;
            reply.text.assign(from.str, from.len);
    }
    return reply;
}

Reply convert_and_free(void* raw) {
    const std::unique_ptr<void, decltype(&freeReplyObject)> owned{raw, freeReplyObject};
    return convert(*static_cast<const redisReply*>(raw));
}

struct Argv {
    std::vector<const char*> texts;
    std::vector<std::size_t> sizes;
    explicit Argv(const Words& words) {
        for (const auto& word : words) {
            texts.push_back(word.data());
            sizes.push_back(word.size());
        }
    }
    int count() const { return static_cast<int>(texts.size()); }
};

}  // namespace

HostPort parse_address(const std::string& address) {
    const auto colon = address.rfind(':');
    int port = 0;
    if (colon != std::string::npos && colon > 0) {
        const char* end = address.data() + address.size();
        const auto [rest, error] = std::from_chars(address.data() + colon + 1, end, port);
        if (error != std::errc{} || rest != end) port = 0;
    }
    if (port < 1 || port > 65535)
        throw std::invalid_argument("the Redis address " + address + " is not host:port");
    auto host = address.substr(0, colon);
    if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
    return {.host = std::move(host), .port = port};
}

void Connection::Close::operator()(redisContext* context) const { redisFree(context); }

Connection::Connection(const std::string& address, const std::string& password,
                       const Bounds& bounds)
    : address_(address) {
    const auto [host, port] = parse_address(address);
    const timeval connect = to_timeval(bounds.connect);
    const timeval command_bound = to_timeval(bounds.command);
    redisOptions options{};
    REDIS_OPTIONS_SET_TCP(&options, host.c_str(), port);
    options.connect_timeout = &connect;
    options.command_timeout = &command_bound;
    context_.reset(redisConnectWithOptions(&options));
    if (!context_) throw Unavailable("no memory for a connection to Redis");
    if (context_->err != 0) fail();
    if (password.empty()) return;
    const auto answer = command({"AUTH", password});
    if (answer.kind == Reply::Kind::error)
        throw Unavailable("Redis at " + address_ + ": " + answer.text);
}

Reply Connection::command(const Words& words) {
    Argv argv{words};
    void* reply =
        redisCommandArgv(context_.get(), argv.count(), argv.texts.data(), argv.sizes.data());
    if (reply == nullptr) fail();
    return convert_and_free(reply);
}

void Connection::send(const Words& words) {
    Argv argv{words};
    int done = 0;
    if (redisAppendCommandArgv(context_.get(), argv.count(), argv.texts.data(),
                               argv.sizes.data()) != REDIS_OK)
        fail();
    while (done == 0) {
        if (redisBufferWrite(context_.get(), &done) != REDIS_OK) fail();
    }
}

std::optional<Reply> Connection::receive(std::chrono::milliseconds limit) {
    const auto deadline = std::chrono::steady_clock::now() + limit;
    for (;;) {
        void* reply = nullptr;
        if (redisGetReplyFromReader(context_.get(), &reply) != REDIS_OK) fail();
        if (reply != nullptr) return convert_and_free(reply);
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(
            deadline - std::chrono::steady_clock::now());
        if (left.count() <= 0) return std::nullopt;
        pollfd readable{.fd = context_->fd, .events = POLLIN, .revents = 0};
        const int ready = ::poll(&readable, 1, static_cast<int>(left.count()));
        if (ready > 0 && redisBufferRead(context_.get()) != REDIS_OK) fail();
    }
}

int Connection::descriptor() const { return context_->fd; }

void Connection::fail() const {
    const int number = errno;
    const auto message = "Redis at " + address_ + ": " + context_->errstr;
    const bool closed =
        context_->err == REDIS_ERR_EOF ||
        (context_->err == REDIS_ERR_IO && (number == ECONNRESET || number == EPIPE));
    if (closed) throw ConnectionClosed(message);
    throw Unavailable(message);
}

}  // namespace domain::cache

// Clients of an HTTP service, as a load in a closed loop: prints how many requests were answered as
// expected, how fast, and the percentiles of their times.
//
//   bench_http HOST PORT CLIENTS SECONDS STATUS METHOD PATH FIRST COUNT [BODY]
//
// Each client keeps one connection. "{}" in path and body is the request's number, from FIRST on,
// COUNT of them: in turn, shared by all the clients, and from the start again at the end. Requests
// are written by hand, so that the load costs less than what it measures.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <charconv>
#include <chrono>
#include <format>
#include <optional>
#include <print>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

struct Load {
    std::string host, method, path, body;
    std::uint16_t port;
    std::size_t clients;
    std::int64_t seconds, first, count;
    std::string status;  // of the answers that are counted
    std::atomic<std::int64_t> next = 0, refused = 0;
};

std::string with(std::string text, std::int64_t number) {
    for (auto at = text.find("{}"); at != std::string::npos; at = text.find("{}", at))
        text.replace(at, 2, std::to_string(number));
    return text;
}

class Connection {
public:
    explicit Connection(const Load& load) : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_port = htons(load.port);
        ::inet_pton(AF_INET, load.host.c_str(), &address.sin_addr);
        const int on = 1;
        ::setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        if (::connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
            throw std::runtime_error("cannot connect");
    }
    ~Connection() { ::close(socket_); }
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;

    bool ends() const { return ends_; }  // the server closes it after that answer

    // The answer's status; its body is read and forgotten.
    std::string ask(const std::string& request) {
        for (std::size_t sent = 0; sent < request.size();) {
            const auto done = ::send(socket_, request.data() + sent, request.size() - sent, 0);
            if (done <= 0) throw std::runtime_error("the connection ended");
            sent += static_cast<std::size_t>(done);
        }
        read_until([&] { return received_.contains("\r\n\r\n"); });
        const auto head = received_.find("\r\n\r\n") + 4;
        constexpr std::string_view name = "Content-Length: ";
        const auto at = received_.find(name);
        if (at == std::string::npos || at > head) throw std::runtime_error("no Content-Length");
        std::size_t length = 0;
        std::from_chars(received_.data() + at + name.size(), received_.data() + head, length);
        read_until([&] { return received_.size() >= head + length; });
        ends_ = std::string_view{received_}.substr(0, head).contains("Connection: close");
        auto status = received_.substr(9, 3);
        received_.erase(0, head + length);
        return status;
    }

private:
    template <class Done>
    void read_until(Done done) {
        std::array<char, 16'384> buffer{};
        while (!done()) {
            const auto got = ::recv(socket_, buffer.data(), buffer.size(), 0);
            if (got <= 0) throw std::runtime_error("the connection ended");
            received_.append(buffer.data(), static_cast<std::size_t>(got));
        }
    }

    int socket_;
    bool ends_ = false;
    std::string received_;
};

// The times of those that were answered as expected.
std::vector<Clock::duration> ask_all(Load& load, Clock::time_point end) {
    std::vector<Clock::duration> times;
    std::optional<Connection> connection;
    while (Clock::now() < end) {
        const auto number = load.first + load.next++ % load.count;
        const auto body = with(load.body, number);
        const auto request = std::format(
            "{} {} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\n"
            "Content-Length: {}\r\n\r\n{}",
            load.method, with(load.path, number), load.host, body.size(), body);
        if (!connection || connection->ends()) connection.emplace(load);
        const auto begun = Clock::now();
        if (connection->ask(request) == load.status) {
            times.push_back(Clock::now() - begun);
        } else {
            ++load.refused;
        }
    }
    return times;
}

}  // namespace

int main(int argc, char** argv) {
    const std::vector<std::string> given(argv + 1, argv + argc);
    if (given.size() < 9 || given.size() > 10) {
        std::println(stderr,
                     "usage: bench_http HOST PORT CLIENTS SECONDS STATUS METHOD PATH FIRST COUNT "
                     "[BODY]");
        return 2;
    }
    Load load{.host = given[0],
              .method = given[5],
              .path = given[6],
              .body = given.size() > 9 ? given[9] : "",
              .port = static_cast<std::uint16_t>(std::stoi(given[1])),
              .clients = std::stoul(given[2]),
              .seconds = std::stoll(given[3]),
              .first = std::stoll(given[7]),
              .count = std::stoll(given[8]),
              .status = given[4]};
    std::vector<std::vector<Clock::duration>> shares(load.clients);
    const auto begun = Clock::now();
    std::atomic<bool> broken = false;
    {
        std::vector<std::jthread> threads;
        threads.reserve(load.clients);
        for (auto& share : shares) {
            threads.emplace_back([&] {
                try {
                    share = ask_all(load, begun + std::chrono::seconds{load.seconds});
                } catch (const std::exception& error) {
                    std::println(stderr, "bench_http: {}", error.what());
                    broken = true;
                }
            });
        }
    }
    const std::chrono::duration<double> took = Clock::now() - begun;
    std::vector<Clock::duration> times;
    for (const auto& share : shares) times.insert(times.end(), share.begin(), share.end());
    std::ranges::sort(times);
    const auto percentile = [&](std::size_t percent) {
        if (times.empty()) return 0.0;
        const auto at = std::min(times.size() - 1, times.size() * percent / 100);
        return std::chrono::duration<double, std::milli>{times[at]}.count();
    };
    std::println(R"({{"answered": {}, "refused": {}, "asked_for": {}, "per_second": {}, )"
                 R"("p50_ms": {}, "p99_ms": {}}})",
                 times.size(), load.refused.load(), load.next.load(),
                 static_cast<double>(times.size()) / took.count(), percentile(50), percentile(99));
    return broken || times.empty() ? 1 : 0;
}

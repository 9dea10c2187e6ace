#include "domain/cache/node.hpp"

#include <algorithm>
#include <utility>

namespace domain::cache {

// One of the pool's places, for as long as a request takes.
class Node::Lease {
public:
    explicit Lease(Node& node) : node_(node) {
        std::unique_lock lock(node_.mutex_);
        node_.admit(lock);
        if (node_.idle_.empty()) return;
        connection = std::move(node_.idle_.back());
        node_.idle_.pop_back();
    }
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;
    ~Lease() {
        {
            const std::scoped_lock lock(node_.mutex_);
            --node_.lent_;
        }
        node_.returned_.notify_one();
    }

    std::unique_ptr<Connection> connection;

private:
    Node& node_;
};

Node::Node(std::string address, Options options)
    : address_(std::move(address)), options_(std::move(options)) {}

Reply Node::run(const Words& words, Asking asking) {
    Lease lease(*this);
    auto connection = std::move(lease.connection);
    for (;;) {
        const bool reused = connection != nullptr;
        try {
            if (!reused)
                connection =
                    std::make_unique<Connection>(address_, options_.password, options_.bounds);
            if (asking == Asking::yes) connection->command({"ASKING"});
            auto reply = connection->command(words);
            succeed(std::move(connection));
            return reply;
        } catch (const ConnectionClosed&) {
            // A connection that idled while the server was restarted says nothing about it now.
            if (!reused) {
                trip();
                throw;
            }
            connection.reset();
        } catch (const Unavailable&) {
            trip();
            throw;
        }
    }
}

void Node::admit(std::unique_lock<std::mutex>& lock) {
    if (pause_ != Clock::duration::zero()) {
        const auto now = Clock::now();
        if (now < retry_at_) throw Unavailable("Redis at " + address_ + " is left alone");
        // Whoever asks meanwhile is turned away: one request finds out for all.
        probing_ = true;
        retry_at_ = now + options_.bounds.connect + options_.bounds.command;
    }
    if (!returned_.wait_for(lock, options_.wait, [&] { return lent_ < options_.connections; }))
        throw Unavailable("all connections to Redis at " + address_ + " are in use");
    ++lent_;
}

void Node::trip() {
    std::vector<std::unique_ptr<Connection>> closing;  // the others are likely stale, too
    const std::scoped_lock lock(mutex_);
    closing.swap(idle_);
    const auto now = Clock::now();
    if (!probing_ && now < retry_at_) return;  // another request of the same failure
    pause_ = std::clamp<Clock::duration>(pause_ * 2, options_.first_pause, options_.longest_pause);
    retry_at_ = now + pause_;
    probing_ = false;
}

void Node::succeed(std::unique_ptr<Connection> connection) {
    const std::scoped_lock lock(mutex_);
    pause_ = {};
    retry_at_ = {};
    probing_ = false;
    idle_.push_back(std::move(connection));
}

}  // namespace domain::cache

#include "domain/cache/redis.hpp"

#include <openssl/evp.h>

#include <algorithm>
#include <csignal>
#include <format>
#include <utility>

namespace domain::cache {
namespace {

constexpr int most_hops = 5;

std::string hex_sha1(std::string_view text) {
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
    unsigned size = 0;
    if (EVP_Digest(text.data(), text.size(), digest.data(), &size, EVP_sha1(), nullptr) != 1)
        throw std::runtime_error("OpenSSL has no SHA-1");
    std::string hex;
    for (unsigned i = 0; i < size; ++i) hex += std::format("{:02x}", digest[i]);
    return hex;
}

// "MOVED 3999 127.0.0.1:6381" or "ASK …", with no host when it is the answering server's.
std::string redirected_to(const Reply& reply, std::string_view kind, const Node& from) {
    if (reply.kind != Reply::Kind::error || !reply.text.starts_with(kind)) return {};
    auto address = reply.text.substr(reply.text.rfind(' ') + 1);
    if (address.starts_with(':')) address = parse_address(from.address()).host + address;
    return address;
}

}  // namespace

Script::Script(std::string text) : text_(std::move(text)), sha1_(hex_sha1(text_)) {}

Redis::Redis(Options options) : options_(std::move(options)) {
    if (options_.addresses.empty()) throw std::invalid_argument("Redis needs an address");
    std::signal(SIGPIPE, SIG_IGN);
    for (const auto& address : options_.addresses) {
        parse_address(address);
        nodes_.try_emplace(address, std::make_shared<Node>(address, options_.node));
    }
}

Reply Redis::run(std::string_view key, const Words& words) {
    auto reply = dispatch(slot_of(key), words);
    if (reply.kind == Reply::Kind::error) throw RedisError("Redis: " + reply.text);
    return reply;
}

Reply Redis::eval(const Script& script, const Words& keys, const Words& arguments) {
    Words words{"EVALSHA", script.sha1(), std::to_string(keys.size())};
    words.insert(words.end(), keys.begin(), keys.end());
    words.insert(words.end(), arguments.begin(), arguments.end());
    auto reply = dispatch(slot_of(keys.front()), words);
    if (reply.kind == Reply::Kind::error && reply.text.starts_with("NOSCRIPT")) {
        words[0] = "EVAL";
        words[1] = script.text();
        reply = dispatch(slot_of(keys.front()), words);
    }
    if (reply.kind == Reply::Kind::error) throw RedisError("Redis: " + reply.text);
    return reply;
}

void Redis::publish(const std::string& channel, const std::string& message) {
    run(channel, {"PUBLISH", channel, message});
}

std::vector<std::string> Redis::addresses() const {
    const std::scoped_lock lock(mutex_);
    std::vector<std::string> addresses;
    addresses.reserve(nodes_.size());
    for (const auto& [address, node] : nodes_) addresses.push_back(address);
    return addresses;
}

std::shared_ptr<const Redis::Topology> Redis::topology() const {
    const std::scoped_lock lock(mutex_);
    return topology_;
}

std::shared_ptr<Node> Redis::owner(std::uint16_t slot) {
    auto known = topology();
    if (!known) {
        refresh();
        known = topology();
    }
    if (!known) throw Unavailable("no Redis server answers");
    const auto index = known->owners.at(slot);
    if (index == 0) throw Unavailable(std::format("no Redis server has slot {}", slot));
    return known->masters[index - 1U];
}

std::shared_ptr<Node> Redis::node_at(const std::string& address) {
    const std::scoped_lock lock(mutex_);
    auto& node = nodes_[address];
    if (!node) node = std::make_shared<Node>(address, options_.node);
    return node;
}

Reply Redis::dispatch(std::uint16_t slot, const Words& words) {
    auto node = owner(slot);
    auto asking = Node::Asking::no;
    for (int hop = 0; hop < most_hops; ++hop) {
        Reply reply;
        try {
            reply = node->run(words, asking);
        } catch (const Unavailable&) {
            refresh();
            auto next = owner(slot);
            if (next == node) throw;
            node = std::move(next);
            asking = Node::Asking::no;
            continue;
        }
        if (const auto moved = redirected_to(reply, "MOVED ", *node); !moved.empty()) {
            refresh(moved);
            node = node_at(moved);
            asking = Node::Asking::no;
        } else if (const auto ask = redirected_to(reply, "ASK ", *node); !ask.empty()) {
            node = node_at(ask);
            asking = Node::Asking::yes;
        } else {
            return reply;
        }
    }
    throw RedisError(std::format("Redis sends slot {} from one server to the next", slot));
}

void Redis::refresh(const std::string& first_asked) {
    std::unique_lock lock(refreshing_, std::defer_lock);
    if (topology()) {
        if (!lock.try_lock()) return;  // somebody is about it
    } else {
        lock.lock();
    }
    if (Clock::now() < next_refresh_) return;
    auto asked = addresses();
    // Not always the same one first: it may be the one that has lost touch with the others.
    std::rotate(asked.begin(),
                asked.begin() + static_cast<std::ptrdiff_t>(refreshes_++ % asked.size()),
                asked.end());
    if (!first_asked.empty()) asked.insert(asked.begin(), first_asked);
    for (const auto& address : asked) {
        const auto node = node_at(address);
        try {
            const auto slots = node->run({"CLUSTER", "SLOTS"});
            // A member that has forgotten its cluster knows of no slots; one that loads, of
            // nothing.
            if (slots.list.empty() && !slots.text.contains("cluster support disabled")) continue;
            adopt(slots, node);
            break;
        } catch (const Unavailable&) {
            continue;
        }
    }
    next_refresh_ = Clock::now() + options_.refresh_pause;
}

// slots: of [first, last, [host, port, …] of the master, the same of each replica…]; an error from
// a server that is in no cluster.
void Redis::adopt(const Reply& slots, const std::shared_ptr<Node>& from) {
    auto next = std::make_shared<Topology>();
    std::map<std::string, std::shared_ptr<Node>> nodes;
    for (const auto& address : options_.addresses) nodes[address] = node_at(address);
    if (slots.kind != Reply::Kind::list) {
        next->masters.push_back(from);
        next->owners.fill(1);
    }
    for (const auto& range : slots.list) {
        for (std::size_t i = 2; i < range.list.size(); ++i) {
            const auto& server = range.list[i].list;
            const auto host =
                server.at(0).text.empty() ? parse_address(from->address()).host : server.at(0).text;
            const auto address = std::format("{}:{}", host, server.at(1).integer);
            const auto& node = nodes[address] = node_at(address);
            if (i == 2) next->masters.push_back(node);
        }
        const auto first = range.list.at(0).integer;
        const auto last = std::min<std::int64_t>(range.list.at(1).integer, slot_count - 1);
        for (auto slot = first; slot <= last; ++slot)
            next->owners.at(static_cast<std::size_t>(slot)) =
                static_cast<std::uint16_t>(next->masters.size());
    }
    const std::scoped_lock lock(mutex_);
    topology_ = std::move(next);
    nodes_.swap(nodes);
}

}  // namespace domain::cache

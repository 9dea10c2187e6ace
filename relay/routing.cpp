#include "relay/routing.hpp"

#include <fnmatch.h>

#include <algorithm>
#include <ranges>
#include <stdexcept>

namespace relay {
namespace {

constexpr std::size_t longest_topic = 249;

bool is_legal(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
}

}  // namespace

std::string fault_of_topic(std::string_view name) {
    if (!name.empty() && name.size() <= longest_topic && name != "." && name != ".." &&
        std::ranges::all_of(name, is_legal))
        return {};
    return "'" + std::string{name} +
           "' cannot name a topic: Kafka takes 1 to 249 letters, digits, '.', '_' and '-'";
}

Routing::Routing(std::string_view topic, Topics topics) {
    auto faults = parse(topic);
    by_aggregate_type_ = uses(Is::aggregate_type);
    by_type_ = uses(Is::type);
    if (const auto fault = fault_of_topic(this->topic({"a", "a"}));
        faults.empty() && !fault.empty())
        faults = "kafka.topic = " + fault + "\n";
    for (const auto& [type, name] : topics) {
        if (type.empty()) faults += "kafka.topics has a name without an event type\n";
        if (const auto fault = fault_of_topic(name); !fault.empty())
            faults += "kafka.topics." + type + " = " + fault + "\n";
    }
    if (!faults.empty()) throw std::invalid_argument{faults};
    topics_ = std::move(topics);
}

std::string Routing::parse(std::string_view topic) {
    std::string faults;
    for (auto rest = topic; !rest.empty();) {
        const auto open = rest.find('{');
        if (open > 0) pieces_.push_back({Is::literal, std::string{rest.substr(0, open)}});
        if (open == std::string_view::npos) break;
        const auto close = std::min(rest.find('}', open), rest.size() - 1);
        const auto placeholder = rest.substr(open, close - open + 1);
        if (placeholder == "{aggregatetype}") {
            pieces_.push_back({Is::aggregate_type, {}});
        } else if (placeholder == "{type}") {
            pieces_.push_back({Is::type, {}});
        } else {
            faults += "kafka.topic = '" + std::string{topic} + "' has the unknown placeholder " +
                      std::string{placeholder} + ": there are {aggregatetype} and {type}\n";
        }
        rest.remove_prefix(close + 1);
    }
    return faults;
}

bool Routing::uses(Is what) const {
    return std::ranges::any_of(pieces_, [&](const Piece& piece) { return piece.is == what; });
}

Routing::Parts Routing::parts(std::string_view aggregate_type, std::string_view type) const {
    if (!topics_.empty() && topics_.contains(type)) return {{}, type};
    return {by_aggregate_type_ ? aggregate_type : std::string_view{},
            by_type_ ? type : std::string_view{}};
}

std::string Routing::topic(const Parts& parts) const {
    const auto& [aggregate_type, type] = parts;
    if (const auto named = topics_.find(type); named != topics_.end()) return named->second;
    std::string name;
    for (const auto& piece : pieces_)
        name += piece.is == Is::literal          ? std::string_view{piece.text}
                : piece.is == Is::aggregate_type ? aggregate_type
                                                 : type;
    return name;
}

bool Routing::may_lead_to(const std::string& topic) const {
    if (std::ranges::contains(topics_ | std::views::values, topic)) return true;
    return fnmatch(this->topic({"*", "*"}).c_str(), topic.c_str(), 0) == 0;
}

}  // namespace relay

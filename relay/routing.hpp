// Which topic an event goes to: the one named for its type, else what the template makes of it.
//
//   Routing routing{"outbox.event.{aggregatetype}", {{"OrderPlaced", "orders.placed"}}};
//
// Immutable, hence thread-safe.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace relay {

class Routing {
public:
    using Topics = std::map<std::string, std::string, std::less<>>;

    // The template holds {aggregatetype}, {type} or neither; topics are by the event's type.
    // Throws std::invalid_argument naming every fault found.
    explicit Routing(std::string_view topic = "outbox.event.{aggregatetype}", Topics topics = {});

    // An aggregate's type and an event's; that which makes no difference to the topic is empty, so
    // that events of one topic mostly have one of them. Costs a look-up at most.
    using Parts = std::pair<std::string_view, std::string_view>;
    Parts parts(std::string_view aggregate_type, std::string_view type) const;
    // The topic of those parts; not always a name that Kafka takes.
    std::string topic(const Parts& parts) const;
    // Whether events of some type may go to that topic.
    bool may_lead_to(const std::string& topic) const;

private:
    enum class Is { literal, aggregate_type, type };
    struct Piece {
        Is is;
        std::string text;
    };
    std::string parse(std::string_view topic);
    bool uses(Is what) const;

    std::vector<Piece> pieces_;
    Topics topics_;
    bool by_aggregate_type_{}, by_type_{};
};

// Empty, or why Kafka takes no topic of that name.
std::string fault_of_topic(std::string_view name);

}  // namespace relay

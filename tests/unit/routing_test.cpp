#include "relay/routing.hpp"

#include <gtest/gtest.h>

#include <stdexcept>
#include <string>

namespace {

std::string topic(const relay::Routing& routing, const std::string& aggregate_type,
                  const std::string& type) {
    return routing.topic(routing.parts(aggregate_type, type));
}

std::string fault(const std::string& pattern, relay::Routing::Topics topics = {}) {
    try {
        const relay::Routing routing{pattern, std::move(topics)};
    } catch (const std::invalid_argument& error) {
        return error.what();
    }
    return "";
}

TEST(Routing, FillsItsTemplate) {
    EXPECT_EQ(topic(relay::Routing{}, "order", "OrderPlaced"), "outbox.event.order");
    const relay::Routing both{"{type}-{aggregatetype}.{type}"};
    EXPECT_EQ(topic(both, "order", "Placed"), "Placed-order.Placed");
    EXPECT_EQ(topic(relay::Routing{"all"}, "order", "Placed"), "all");
}

TEST(Routing, NamesTheTopicOfATypeExactly) {
    const relay::Routing routing{"t.{aggregatetype}", {{"Placed", "placed"}}};
    EXPECT_EQ(topic(routing, "order", "Placed"), "placed");
    EXPECT_EQ(topic(routing, "order", "placed"), "t.order");
    EXPECT_EQ(topic(routing, "order", "Placed2"), "t.order");
}

TEST(Routing, TellsApartOnlyWhatDecides) {
    using Parts = relay::Routing::Parts;
    EXPECT_EQ(relay::Routing{}.parts("order", "Placed"), (Parts{"order", ""}));
    EXPECT_EQ(relay::Routing{"{type}"}.parts("order", "Placed"), (Parts{"", "Placed"}));
    EXPECT_EQ(relay::Routing{"all"}.parts("order", "Placed"), (Parts{"", ""}));
    const relay::Routing named{"{aggregatetype}", {{"Placed", "placed"}}};
    EXPECT_EQ(named.parts("order", "Placed"), (Parts{"", "Placed"}));
    EXPECT_EQ(named.parts("order", "Paid"), (Parts{"order", ""}));
}

TEST(Routing, RefusesPlaceholdersThatAreNone) {
    EXPECT_EQ(fault("a.{foo}.{type"),
              "kafka.topic = 'a.{foo}.{type' has the unknown placeholder {foo}: there are "
              "{aggregatetype} and {type}\n"
              "kafka.topic = 'a.{foo}.{type' has the unknown placeholder {type: there are "
              "{aggregatetype} and {type}\n");
    for (const auto* pattern : {"{", "{}", "a{", "{TYPE}", "{{type}}"})
        EXPECT_TRUE(fault(pattern).contains("unknown placeholder")) << pattern;
}

TEST(Routing, TellsWhichTopicsMayBeItsOwn) {
    const relay::Routing routing{"a.{aggregatetype}.{type}", {{"Placed", "orders"}}};
    EXPECT_TRUE(routing.may_lead_to("orders"));
    EXPECT_TRUE(routing.may_lead_to("a.order.Paid"));
    EXPECT_FALSE(routing.may_lead_to("a.order"));
    EXPECT_FALSE(routing.may_lead_to("b.order.Paid"));
}

TEST(Routing, RefusesNamesThatKafkaRefuses) {
    for (const std::string& name :
         {std::string{}, std::string{"."}, std::string{".."}, std::string{"a b"},
          std::string{"a/b"}, std::string{"ä"}, std::string{"type}"}, std::string(250, 'a')}) {
        EXPECT_TRUE(fault(name).starts_with("kafka.topic = '" + name + "' cannot name a topic"))
            << name << ": " << fault(name);
        EXPECT_FALSE(relay::fault_of_topic(name).empty()) << name;
        EXPECT_TRUE(fault("x", {{"Placed", name}}).starts_with("kafka.topics.Placed = "));
    }
    EXPECT_EQ(fault(std::string(249, 'a')), "");
    EXPECT_EQ(fault("x", {{"", "y"}}), "kafka.topics has a name without an event type\n");
}

}  // namespace

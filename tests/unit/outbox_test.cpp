// The library's pure parts.
#include <gtest/gtest.h>

#include <set>
#include <stdexcept>
#include <string>
#include <vector>

#include "offsets.hpp"
#include "outbox/consumer.hpp"
#include "outbox/event.hpp"
#include "waiting.hpp"

namespace {

using namespace std::chrono_literals;
using outbox::Delivery;
using outbox::EventId;
using Clock = outbox::Waiting::Clock;

TEST(EventId, IsAVersionSevenUuidThatSortsByAge) {
    auto last = EventId::make();
    for (int i = 0; i < 1000; ++i) {
        const auto before = last.to_string();
        EXPECT_EQ(before.size(), 36U);
        EXPECT_EQ(before[14], '7');
        EXPECT_NE(std::string{"89ab"}.find(before[19]), std::string::npos);
        last = EventId::make();
        EXPECT_LE(before.substr(0, 18), last.to_string().substr(0, 18));
    }
}

TEST(EventId, IsNeverGivenTwice) {
    std::set<EventId> seen;
    for (int i = 0; i < 100'000; ++i) EXPECT_TRUE(seen.insert(EventId::make()).second);
}

TEST(EventId, ReadsWhatItWritesAndItsOtherSpellings) {
    const auto id = EventId::parse("01931F0E-7a9b-7c3d-8e4f-0123456789ab");
    EXPECT_EQ(id.to_string(), "01931f0e-7a9b-7c3d-8e4f-0123456789ab");
    EXPECT_EQ(EventId::parse("01931f0e7a9b7c3d8e4f0123456789ab"), id);
}

TEST(EventId, RefusesWhatIsNoUuid) {
    for (const auto* text :
         {"", "x", "01931f0e-7a9b-7c3d-8e4f-0123456789a", "01931f0e-7a9b-7c3d-8e4f-0123456789abc",
          "01931f0e-7a9b-7c3d-8e4f-0123456789ag", "-01931f0e7a9b7c3d8e4f0123456789ab"})
        EXPECT_THROW(EventId::parse(text), std::invalid_argument) << text;
}

TEST(Offsets, CommitsOnlyBelowTheLowestUnfinished) {
    outbox::Offsets offsets;
    const outbox::Offsets::Partition partition{"t", 0};
    for (const int offset : {5, 6, 7}) offsets.begin(partition, offset);
    offsets.finish(partition, 6);
    EXPECT_EQ(offsets.take().at(partition), 5);
    offsets.finish(partition, 5);
    EXPECT_EQ(offsets.take().at(partition), 7);
    EXPECT_TRUE(offsets.take().empty());  // nothing moved
    offsets.finish(partition, 7);
    EXPECT_EQ(offsets.take().at(partition), 8);
}

TEST(Offsets, KeepNothingOfAPartitionThatIsFinishedAfterItWent) {
    outbox::Offsets offsets;
    offsets.begin({"t", 0}, 500);
    offsets.clear();
    offsets.finish({"t", 0}, 500);
    EXPECT_TRUE(offsets.take().empty());
}

Delivery delivery(const std::string& key, std::int64_t offset) {
    Delivery made;
    made.message.topic = "t";
    made.message.key = key;
    made.message.offset = offset;
    made.arrival = static_cast<std::uint64_t>(offset);
    return made;
}

TEST(Waiting, HoldsAKeyBackInOrderAndNoOther) {
    outbox::Waiting waiting;
    const auto now = Clock::now();
    auto failed = delivery("k", 1);
    failed.attempts = 1;
    waiting.retry(failed, now + 10ms);
    EXPECT_TRUE(waiting.holds(delivery("k", 0).lane()));
    EXPECT_FALSE(waiting.holds(delivery("other", 0).lane()));
    waiting.queue(delivery("k", 2));
    EXPECT_TRUE(waiting.due(now, 10).empty());
    EXPECT_EQ(waiting.next_due(), now + 10ms);

    const auto head = waiting.due(now + 10ms, 10);
    ASSERT_EQ(head.size(), 1U);
    EXPECT_EQ(head[0].message.offset, 1);
    EXPECT_TRUE(waiting.due(now + 1h, 10).empty())
        << "the second left before the first was finished";

    waiting.advance(head[0].lane(), now);
    const auto next = waiting.due(now, 10);
    ASSERT_EQ(next.size(), 1U);
    EXPECT_EQ(next[0].message.offset, 2);
    waiting.advance(next[0].lane(), now);
    EXPECT_FALSE(waiting.holds(next[0].lane()));
    EXPECT_EQ(waiting.size(), 0U);
}

TEST(Waiting, LetsWhatOnlyWaitedGoTogetherInTheOrderOfArrival) {
    outbox::Waiting waiting;
    const auto now = Clock::now();
    auto failed = delivery("k", 1);
    failed.attempts = 1;
    waiting.retry(failed, now);
    for (const int offset : {2, 3, 4, 5}) waiting.queue(delivery("k", offset));
    const auto lane = waiting.due(now, 3).at(0).lane();
    waiting.advance(lane, now);
    auto run = waiting.due(now, 3);
    ASSERT_EQ(run.size(), 3U);
    // The first is finished, the second fails, and so the third is not attempted.
    waiting.advance(lane, now);
    run[1].attempts = 1;
    waiting.retry(run[1], now);
    waiting.queue(run[2]);
    const auto head = waiting.due(now, 3);
    ASSERT_EQ(head.size(), 1U) << "one that has failed goes alone";
    EXPECT_EQ(head[0].message.offset, 3);
    waiting.advance(lane, now);
    const auto rest = waiting.due(now, 3);
    ASSERT_EQ(rest.size(), 2U);
    EXPECT_EQ(rest[0].message.offset, 4);
    EXPECT_EQ(rest[1].message.offset, 5);
    EXPECT_EQ(waiting.size(), 0U);
}

TEST(Waiting, GivesMessagesWithoutAKeyALaneEach) {
    EXPECT_NE(delivery("", 1).lane(), delivery("", 2).lane());
}

TEST(Backoff, DoublesUpToItsBoundLessAChance) {
    EXPECT_EQ(outbox::backoff(1, 100ms, 1000ms, 0), 100ms);
    EXPECT_EQ(outbox::backoff(3, 100ms, 1000ms, 0), 400ms);
    EXPECT_EQ(outbox::backoff(60, 100ms, 1000ms, 0), 1000ms);
    EXPECT_EQ(outbox::backoff(3, 100ms, 1000ms, 0.5), 300ms);
}

TEST(CausedBy, CarriesTheTraceAndTheFirstCauseOn) {
    outbox::Message message{.id = EventId::parse("01931f0e-7a9b-7c3d-8e4f-0123456789ab"),
                            .type = "T",
                            .topic = "t",
                            .key = "k",
                            .payload = "",
                            .headers = {{"traceparent", "00-1"}, {"own", "x"}}};
    using Headers = std::map<std::string, std::string>;
    EXPECT_EQ(outbox::caused_by(message),
              (Headers{{"traceparent", "00-1"},
                       {"correlation-id", "01931f0e-7a9b-7c3d-8e4f-0123456789ab"}}));
    message.headers["correlation-id"] = "first";
    EXPECT_EQ(outbox::caused_by(message),
              (Headers{{"traceparent", "00-1"}, {"correlation-id", "first"}}));
}

TEST(ConsumerOptions, AreRefusedWhenTheyCannotWork) {
    EXPECT_THROW((outbox::Consumer{{.name = "", .dsn = "d", .brokers = "b", .topics = {"t"}}}),
                 std::invalid_argument);
    EXPECT_THROW((outbox::Consumer{{.name = "n", .dsn = "d", .brokers = "b", .topics = {}}}),
                 std::invalid_argument);
    outbox::Consumer sound{{.name = "n", .dsn = "d", .brokers = "b", .topics = {"t"}}};
    sound.on("T", [](auto&, const auto&) {});
    EXPECT_THROW(sound.on("T", [](auto&, const auto&) {}), std::invalid_argument);
}

TEST(ConsumerOptions, NameThePropertyOfKafkaThatIsNoneAndTheNearest) {
    const auto refusal = [](const std::string& name, const std::string& value) -> std::string {
        try {
            const outbox::Consumer consumer{{.name = "n",
                                             .dsn = "d",
                                             .brokers = "b",
                                             .topics = {"t"},
                                             .kafka = {{name, value}}}};
        } catch (const std::invalid_argument& error) {
            return error.what();
        }
        return "";
    };
    EXPECT_EQ(refusal("sasl.pasword", "canary"),
              "librdkafka knows no property sasl.pasword; did you mean sasl.password?");
    EXPECT_EQ(refusal("security.protocol", "SASL"),
              "security.protocol: Invalid value \"SASL\" for configuration property "
              "\"security.protocol\"");
    EXPECT_EQ(refusal("sasl.password", "canary"), "");
}

}  // namespace

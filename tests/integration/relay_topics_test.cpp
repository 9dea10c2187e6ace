// Where events go: topics by template and type, made as asked, and partitions by key.
#include <filesystem>
#include <fstream>

#include "integration/relay_fixture.hpp"

namespace integration {
namespace {

class RelayTopics : public Relay {
protected:
    ~RelayTopics() override { std::filesystem::remove(file_); }
    std::string file(const std::string& toml) const {
        std::ofstream{file_} << toml;
        return file_;
    }
    std::vector<std::string> types_in(const std::string& topic) const {
        std::vector<std::string> all;
        for (const auto& record : support::read_topic(topic))
            all.push_back(record.headers.at("type"));
        return all;
    }

private:
    const std::filesystem::path file_ =
        std::filesystem::temp_directory_path() / support::unique_name("topics");
};

TEST_F(RelayTopics, AreFilledInOfBothTypesAndNamedForSome) {
    append("k", "Placed");
    append("k", "Paid");
    append("k", "Shipped");
    append("k", "Paid");
    const auto news = "'" + aggregate_ + ".news'\n";
    run_until_drained({"--config", file("[kafka.topics]\nPlaced = " + news + "Shipped = " + news),
                       "--kafka-topic", "{aggregatetype}.{type}"});
    EXPECT_EQ(types_in(aggregate_ + ".news"), (std::vector<std::string>{"Placed", "Shipped"}));
    EXPECT_EQ(types_in(aggregate_ + ".Paid"), (std::vector<std::string>{"Paid", "Paid"}));
}

TEST_F(RelayTopics, OfNamesThatKafkaRefusesHoldUpTheirKeyThereAlone) {
    append("k", "no topic");
    append("k", "Fine");
    append("k", "no topic");
    run_until_drained({"--kafka-topic", aggregate_ + ".{type}"});
    EXPECT_EQ(types_in(aggregate_ + ".Fine"), std::vector<std::string>{"Fine"});
    EXPECT_EQ(query<std::string>("select error from outbox.dead where behind is null"),
              "'" + aggregate_ +
                  ".no topic' cannot name a topic: Kafka takes 1 to 249 letters, digits, '.', '_' "
                  "and '-'");
    EXPECT_EQ(query<int>("select count(*) from outbox.dead where behind is not null"), 1);
}

TEST_F(RelayTopics, AreMadeWithTheStatedPartitions) {
    append("k", "Placed");
    run_until_drained({"--kafka-partitions", "5", "--kafka-replication", "1"});
    EXPECT_EQ(support::partitions(topic_), 5);
}

TEST_F(RelayTopics, ThatAreNotToBeMadeAreMissedByName) {
    append("k", "Placed");
    run_until_drained({"--kafka-create-topics", "false"});
    EXPECT_EQ(
        query<std::string>("select error from outbox.dead"),
        "topic '" + topic_ + "' does not exist: create it, or set kafka.create_topics = true");
}

TEST_F(RelayTopics, NeedAsManyBrokersAsReplicas) {
    append("k", "Placed");
    const auto process = start({"--kafka-replication", "2"});
    support::eventually(30s, "the reason", [&] {
        return process.output().contains("topic '" + topic_ + "' cannot be created: ") &&
               process.output().contains("(kafka.replication = 2)");
    });
    EXPECT_EQ(query<int>("select count(*) from outbox.dead"), 0) << "the event is not at fault";
}

TEST_F(RelayTopics, HoldEachKeyWhereJavasProducersPutIt) {
    // Of org.apache.kafka.common.utils.Utils.murmur2, from Kafka's UtilsTest; the last three as
    // computed by kafka-clients 4.3.1.
    const std::map<std::string, std::int32_t> hashes{
        {"21", -973932308},
        {"foobar", -790332482},
        {"a-little-bit-long-string", -985981536},
        {"a-little-bit-longer-string", -1486304829},
        {"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971},
        {"abc", 479470107},
        {"für 5 €", 35804343},
        {"1", -1993445489},
        {"42", 417700972}};
    constexpr int partitions = 7;
    for (const auto& [key, hash] : hashes) append(key, "Placed");
    run_until_drained({"--kafka-partitions", std::to_string(partitions)});
    const auto records = log();
    ASSERT_EQ(records.size(), hashes.size());
    for (const auto& record : records)  // toPositive(murmur2(key)) % partitions
        EXPECT_EQ(record.partition, (hashes.at(*record.key) & 0x7fffffff) % partitions)
            << *record.key;
}

}  // namespace
}  // namespace integration

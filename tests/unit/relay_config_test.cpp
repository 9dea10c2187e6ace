#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>

#include "relay/config.hpp"

namespace {

class Config : public testing::Test {
protected:
    Config()
        : file_{std::filesystem::temp_directory_path() /
                ("postroom-config-" + std::to_string(::getpid()))} {}
    ~Config() override {
        std::filesystem::remove(file_);
        ::unsetenv("POSTROOM_KAFKA_BROKERS");
    }
    std::string file(const std::string& toml) {
        std::ofstream{file_} << toml;
        return file_;
    }
    static std::string complaint(const auto& doing) {
        try {
            doing();
        } catch (const std::invalid_argument& error) {
            return error.what();
        }
        return "";
    }

private:
    std::filesystem::path file_;
};

TEST_F(Config, TakesFlagsOverTheEnvironmentOverTheFileOverDefaults) {
    const auto path = file("[kafka]\nbrokers = 'file:1'\ncompression = 'zstd'\npartitions = 7\n");
    EXPECT_EQ(relay::read_config(path, {}).at("kafka.brokers"), "file:1");
    ::setenv("POSTROOM_KAFKA_BROKERS", "environment:1", 1);
    EXPECT_EQ(relay::read_config(path, {}).at("kafka.brokers"), "environment:1");
    const auto values =
        relay::read_config(path, {{"kafka.brokers", "flag:1"}, {"database.dsn", "dbname=x"}});
    const auto settings = relay::to_settings(values);
    EXPECT_EQ(settings.kafka.brokers, "flag:1");
    EXPECT_EQ(settings.kafka.compression, "zstd");
    EXPECT_EQ(settings.kafka.partitions, 7);
    EXPECT_EQ(settings.kafka.routing.topic({"order", ""}), "outbox.event.order");
}

TEST_F(Config, RefusesAnUnknownSettingAndNamesTheNearest) {
    const auto path = file("[relay]\nlease_sm = 1000\n");
    EXPECT_EQ(complaint([&] { relay::read_config(path, {}); }),
              path + ": unknown setting 'relay.lease_sm'; did you mean 'relay.lease_ms'?\n");
}

TEST_F(Config, TellsOfWhatTheEnvironmentHasLeftOverOrMisspelt) {
    const auto strange = [](const char* variable) {
        ::setenv(variable, "x", 1);
        const auto told = relay::strange_environment();
        ::unsetenv(variable);
        return told.size() == 1 ? told.front() : std::to_string(told.size());
    };
    EXPECT_EQ(
        strange("POSTROOM_KAFKA_TOPIC_PREFIX"),
        "the environment has POSTROOM_KAFKA_TOPIC_PREFIX, which is no setting and is ignored; "
        "did you mean POSTROOM_KAFKA_TOPIC?");
    EXPECT_TRUE(strange("POSTROOM_KAFAK_BROKERS").ends_with("POSTROOM_KAFKA_BROKERS?"));
    EXPECT_TRUE(strange("POSTROOM_DATABSE_DSN").ends_with("POSTROOM_DATABASE_DSN?"));
    for (const auto* another : {"POSTROOM_KAFKA_BROKERS", "POSTROOM_DSN", "POSTROOM_MIGRATE_DSN",
                                "POSTROOM_CRASH_AT", "POSTROOM_SEED", "POSTROOM_PORT"})
        EXPECT_EQ(strange(another), "0");
}

TEST_F(Config, NamesTheLineOfATypingError) {
    const auto path = file("[relay]\nlease_ms = = 1\n");
    EXPECT_TRUE(complaint([&] { relay::read_config(path, {}); }).starts_with(path + ":2: "));
}

TEST_F(Config, NamesEveryFaultAtOnce) {
    const auto values =
        relay::read_config("", {{"kafka.partitions", "many"}, {"relay.stop_when_drained", "1"}});
    const auto faults = complaint([&] { relay::to_settings(values); });
    for (const auto* part :
         {"database.dsn is missing: give --database-dsn, set POSTROOM_DATABASE_DSN",
          "kafka.brokers is missing", "kafka.partitions = 'many' must be an integer from 1",
          "relay.stop_when_drained = '1' must be true or false"})
        EXPECT_NE(faults.find(part), std::string::npos) << part << "\nin: " << faults;
}

TEST_F(Config, PassesLibrdkafkasOwnPropertiesOn) {
    const auto path = file("[kafka.properties]\n'security.protocol' = 'ssl'\n");
    const auto values = relay::read_config(path, {{"database.dsn", "d"}, {"kafka.brokers", "b"}});
    EXPECT_EQ(relay::to_settings(values).kafka.properties.at("security.protocol"), "ssl");
}

TEST_F(Config, TellsWhereALeftTopicPrefixWent) {
    const auto path = file("[kafka]\ntopic_prefix = 'x.'\n");
    EXPECT_EQ(complaint([&] { relay::read_config(path, {}); }),
              path + ": unknown setting 'kafka.topic_prefix'; did you mean 'kafka.topic'?\n");
}

TEST_F(Config, ReadsAndPrintsTopicsByTheTypeOfTheEvent) {
    const auto path = file(
        "[kafka]\ntopic = 'shop.{type}'\n"
        "[kafka.topics]\nOrderPlaced = 'orders.placed'\n'order.key' = 'keys'\n");
    const auto values = relay::read_config(path, {{"database.dsn", "d"}, {"kafka.brokers", "b"}});
    const auto routing = relay::to_settings(values).kafka.routing;
    EXPECT_EQ(routing.topic(routing.parts("order", "OrderPlaced")), "orders.placed");
    EXPECT_EQ(routing.topic(routing.parts("order", "order.key")), "keys");
    EXPECT_EQ(routing.topic(routing.parts("order", "OrderPaid")), "shop.OrderPaid");
    const auto again = relay::read_config(file(relay::print_config(values)),
                                          {{"database.dsn", "d"}, {"kafka.brokers", "b"}});
    EXPECT_EQ(again.at("kafka.topics.order.key"), "keys");
}

TEST_F(Config, RefusesWhatKafkaWouldRefuseLater) {
    const auto path = file(
        "[kafka]\ntopic = '{aggregatetype}.{key}'\nformat = 'avro'\ncompression = 'lzma'\n"
        "source = 'my shop'\n[kafka.topics]\nOrderPlaced = 'orders/placed'\n");
    const auto faults = complaint([&] { relay::to_settings(relay::read_config(path, {})); });
    for (const auto* part :
         {"kafka.topic = '{aggregatetype}.{key}' has the unknown placeholder {key}: there are "
          "{aggregatetype} and {type}\n",
          "kafka.topics.OrderPlaced = 'orders/placed' cannot name a topic",
          "kafka.format = 'avro' must be plain, cloudevents_binary, cloudevents_structured or "
          "debezium\n",
          "kafka.compression = 'lzma' must be none, gzip, snappy, lz4 or zstd\n",
          "kafka.source = 'my shop' must be a URI"})
        EXPECT_NE(faults.find(part), std::string::npos) << part << "\nin: " << faults;
}

TEST_F(Config, PrintsNoSecret) {
    const auto path = file("[kafka.properties]\n'sasl.password' = 'canary-1'\n");
    const auto printed =
        relay::print_config(relay::read_config(path, {{"database.dsn", "password=canary-2"},
                                                      {"admin.dsn", "password=canary-3"},
                                                      {"admin.token", "canary-4"}}));
    EXPECT_EQ(printed.find("canary"), std::string::npos) << printed;
    EXPECT_NE(printed.find("<redacted>"), std::string::npos);
}

TEST_F(Config, QuotesNoSecretThatIsWrong) {
    const auto values = relay::read_config("", {{"database.dsn", "host=x canary-1"},
                                                {"admin.dsn", "postgresql://u:canary-2@[h/d"},
                                                {"admin.token", "canary-3"},
                                                {"kafka.brokers", "b"}});
    const auto faults = complaint([&] { relay::to_settings(values); });
    EXPECT_EQ(faults.find("canary"), std::string::npos) << faults;
    for (const auto* part : {"database.dsn is no", "admin.dsn is no", "admin.token must have 16"})
        EXPECT_NE(faults.find(part), std::string::npos) << part << "\nin: " << faults;
}

TEST_F(Config, ReadsTheConnectionStringFromAFile) {
    const auto path = file("dbname=from_file\n");
    const auto values =
        relay::read_config("", {{"database.dsn_file", path}, {"kafka.brokers", "b"}});
    EXPECT_EQ(relay::to_settings(values).dsn, "dbname=from_file");
}

TEST_F(Config, ReadsSeveralDatabases) {
    const auto path = file(
        "[kafka]\nbrokers = 'b'\n[[databases]]\nname = 'one'\ndsn = 'canary-3'\n"
        "[[databases]]\nname = 'two'\ndsn = 'dbname=two'\n"
        "admin_dsn = 'canary-4'\ntopic = 'two.{type}'\n");
    const auto values = relay::read_config(path, {});
    const auto databases = relay::to_databases(values);
    ASSERT_EQ(databases.size(), 2U);
    EXPECT_EQ(databases[0].database, "one");
    EXPECT_EQ(databases[0].kafka.routing.topic({"order", "T"}), "outbox.event.order");
    EXPECT_EQ(databases[1].dsn, "dbname=two");
    EXPECT_EQ(databases[1].kafka.routing.topic({"order", "T"}), "two.T");
    EXPECT_EQ(databases[0].admin.dsns.at("one"), "canary-3");
    EXPECT_EQ(databases[0].admin.dsns.at("two"), "canary-4");
    const auto printed = relay::print_config(values);
    EXPECT_EQ(printed.find("canary"), std::string::npos) << printed;
    EXPECT_NE(printed.find("[[databases]]"), std::string::npos) << printed;
    for (const auto& [name, part] : std::map<std::string, std::string>{
             {"database.dsn", "exclude each other"}, {"admin.dsn", "an admin_dsn"}}) {
        auto both = values;
        both[name] = "d";
        EXPECT_NE(complaint([&] { relay::to_databases(both); }).find(part), std::string::npos);
    }
}

TEST_F(Config, RefusesADatabaseWithoutANameAndSettingsThatAreCommon) {
    EXPECT_NE(complaint([&] {
                  relay::read_config(file("[[databases]]\ndsn = 'd'\n"), {});
              }).find("needs a name of its own"),
              std::string::npos);
    EXPECT_NE(complaint([&] {
                  relay::read_config(file("[[databases]]\nname = 'x'\nbrokers = 'b'\n"), {});
              }).find("unknown setting 'brokers' of a database"),
              std::string::npos);
}

TEST_F(Config, TakesAllShardsOrAList) {
    relay::Values values = relay::read_config("", {{"database.dsn", "d"}, {"kafka.brokers", "b"}});
    EXPECT_TRUE(relay::to_settings(values).wants(5));
    values["relay.shards"] = "0,2";
    EXPECT_TRUE(relay::to_settings(values).wants(2));
    EXPECT_FALSE(relay::to_settings(values).wants(1));
    for (const auto* wrong : {"", "x", "1,64", "1;2"}) {
        values["relay.shards"] = wrong;
        EXPECT_NE(complaint([&] { relay::to_settings(values); }).find("relay.shards"),
                  std::string::npos)
            << wrong;
    }
}

}  // namespace

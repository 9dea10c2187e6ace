// Topics and formats, through the relay and back out of Kafka.
#include <nlohmann/json.hpp>

#include "integration/relay_fixture.hpp"

namespace integration {
namespace {

using nlohmann::json;
using Headers = std::map<std::string, std::string>;

class RelayFormat : public Relay {
protected:
    // An event of JSON, one of bytes and a tombstone.
    RelayFormat() {
        pqxx::connection connection{database_.dsn("postroom_service")};
        pqxx::work tx{connection};
        tx.exec(
            "select outbox.append($1, 'k', 'Json', '{\"n\": 1e400, \"t\": \"5 €\"}', "
            "'{\"traceparent\": \"00-1-2-01\", \"correlation-id\": \"7\"}')",
            pqxx::params{aggregate_});
        tx.exec(
            "insert into outbox.event (aggregatetype, aggregateid, type, body) "
            "values ($1, 'k', 'Bytes', '\\x00ff22')",
            pqxx::params{aggregate_});
        tx.exec(
            "insert into outbox.event (aggregatetype, aggregateid, type) "
            "values ($1, 'k', 'Nothing')",
            pqxx::params{aggregate_});
        tx.commit();
    }
    std::vector<support::Record> published_as(const std::string& format,
                                              std::vector<std::string> more = {}) {
        more.insert(more.end(), {"--kafka-format", format, "--kafka-partitions", "1"});
        run_until_drained(std::move(more));
        auto records = log();
        EXPECT_EQ(records.size(), 3U);
        for (const auto& record : records) EXPECT_EQ(record.key, "k");
        return records;
    }
    std::string column(const std::string& expression, const std::string& type) const {
        return query<std::string>("select " + expression + " from outbox.event where type = '" +
                                  type + "'");
    }
    std::string time(const std::string& type) const {
        return column(R"(to_char(created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'))",
                      type);
    }
    Headers attributes(const std::string& type, const std::string& source) const {
        return {{"ce_specversion", "1.0"}, {"ce_id", column("id", type)}, {"ce_source", source},
                {"ce_type", type},         {"ce_subject", "k"},           {"ce_time", time(type)}};
    }

    const std::string content_ = "{\"n\": 1" + std::string(400, '0') + ", \"t\": \"5 €\"}";
    const std::string bytes_{"\0\xff\"", 3};
};

TEST_F(RelayFormat, PlainTellsTheColumns) {
    const auto records = published_as("plain");
    EXPECT_EQ(records.at(0).value, content_);
    EXPECT_EQ(records.at(0).headers, (Headers{{"id", column("id", "Json")},
                                              {"type", "Json"},
                                              {"content-type", "application/json"},
                                              {"traceparent", "00-1-2-01"},
                                              {"correlation-id", "7"}}));
    EXPECT_EQ(records.at(1).value, bytes_);
    EXPECT_EQ(records.at(2).value, std::nullopt);
    EXPECT_EQ(records.at(2).headers,
              (Headers{{"id", column("id", "Nothing")}, {"type", "Nothing"}}));
}

TEST_F(RelayFormat, DebeziumTellsTheIdAlone) {
    const auto records = published_as("debezium");
    EXPECT_EQ(records.at(0).value, content_);
    EXPECT_EQ(records.at(0).headers, (Headers{{"id", column("id", "Json")}}));
    EXPECT_EQ(records.at(1).value, bytes_);
    EXPECT_EQ(records.at(2).value, std::nullopt);
    EXPECT_EQ(records.at(2).headers, (Headers{{"id", column("id", "Nothing")}}));
}

TEST_F(RelayFormat, CloudEventsInBinaryModeAreFromTheDatabase) {
    const auto records = published_as("cloudevents_binary");
    const auto source = "/postroom/" + query<std::string>("select current_database()");
    auto expected = attributes("Json", source);
    expected.insert({{"content-type", "application/json"},
                     {"traceparent", "00-1-2-01"},
                     {"ce_traceparent", "00-1-2-01"},
                     {"correlation-id", "7"}});
    EXPECT_EQ(records.at(0).headers, expected);
    EXPECT_EQ(records.at(0).value, content_);
    expected = attributes("Bytes", source);
    expected["content-type"] = "application/octet-stream";
    EXPECT_EQ(records.at(1).headers, expected);
    EXPECT_EQ(records.at(1).value, bytes_);
    EXPECT_EQ(records.at(2).headers, attributes("Nothing", source));
    EXPECT_EQ(records.at(2).value, std::nullopt);
}

TEST_F(RelayFormat, CloudEventsInStructuredModeHoldTheContent) {
    // By COPY, which is the other way to read.
    const auto records =
        published_as("cloudevents_structured",
                     {"--kafka-source", "https://shop.example/orders", "--relay-window-rows", "1"});
    const auto envelope = [&](const std::string& type) {
        json members{{"specversion", "1.0"},
                     {"id", column("id", type)},
                     {"source", "https://shop.example/orders"},
                     {"type", type},
                     {"subject", "k"},
                     {"time", time(type)}};
        return members;
    };
    const auto text = records.at(0).value.value();
    const auto data = text.find(",\"data\":" + content_ + "}");
    ASSERT_NE(data, std::string::npos) << text;
    auto expected = envelope("Json");
    expected["datacontenttype"] = "application/json";
    expected["traceparent"] = "00-1-2-01";
    EXPECT_EQ(json::parse(text.substr(0, data) + "}"), expected);
    EXPECT_EQ(records.at(0).headers, (Headers{{"content-type", "application/cloudevents+json"},
                                              {"traceparent", "00-1-2-01"},
                                              {"correlation-id", "7"}}));
    expected = envelope("Bytes");
    expected["datacontenttype"] = "application/octet-stream";
    expected["data_base64"] = "AP8i";
    EXPECT_EQ(json::parse(records.at(1).value.value()), expected);
    EXPECT_EQ(records.at(2).headers, attributes("Nothing", "https://shop.example/orders"));
    EXPECT_EQ(records.at(2).value, std::nullopt);
}

TEST_F(RelayFormat, ARetriedEventKeepsItsTime) {
    auto process =
        start({"--kafka-format", "cloudevents_binary", "--kafka-create-topics", "false"});
    support::eventually(30s, "the dead letters",
                        [&] { return query<int>("select count(*) from outbox.dead") == 3; });
    support::create_topic(topic_, 1);
    query<std::string>(
        "select outbox.retry_dead(event_id)::text from outbox.dead where behind is null");
    support::eventually(30s, "the events", [&] { return log().size() == 3; });
    EXPECT_EQ(log().at(0).headers.at("ce_time"), time("Json"));
    EXPECT_EQ(log().at(2).headers.at("ce_time"), time("Nothing"));
}

}  // namespace
}  // namespace integration

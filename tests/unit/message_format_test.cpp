#include "relay/message_format.hpp"

#include <gtest/gtest.h>

#include <map>
#include <nlohmann/json.hpp>
#include <string>

namespace {

using relay::Format;
using Headers = std::map<std::string, std::string>;

constexpr auto id = "1a1a1a1a-1a1a-1a1a-1a1a-1a1a1a1a1a1a";

relay::Row order_placed() {
    relay::Row row;
    row.id.fill(0x1a);
    row.aggregate_type = "order";
    row.aggregate_id = "42";
    row.type = "OrderPlaced";
    row.value = R"({"a": 1e400})";
    row.is_json = true;
    row.content_type = "application/json";
    row.created_at = 0;
    return row;
}

struct Formatted {
    Headers headers;
    std::optional<std::string> value;
};

Formatted formatted(Format format, const relay::Row& row) {
    relay::MessageFormat make{format, "/shop"};
    const auto message = make(row, "orders");
    Formatted all;
    if (message.value) all.value.emplace(*message.value);
    const char* name = nullptr;
    const void* value = nullptr;
    std::size_t size = 0;
    for (std::size_t i = 0; rd_kafka_header_get_all(message.headers.get(), i, &name, &value,
                                                    &size) == RD_KAFKA_RESP_ERR_NO_ERROR;
         ++i) {
        EXPECT_FALSE(all.headers.contains(name)) << name;
        all.headers[name] = std::string{static_cast<const char*>(value), size};
    }
    return all;
}

TEST(MessageFormat, PlainTellsTheColumnsAndTheEventsOwnHeaders) {
    auto row = order_placed();
    row.headers = R"({"traceparent": "00-1-2-01", "n": 1, "id": "forged"})";
    const auto message = formatted(Format::plain, row);
    EXPECT_EQ(message.value, row.value);
    EXPECT_EQ(message.headers, (Headers{{"id", id},
                                        {"type", "OrderPlaced"},
                                        {"content-type", "application/json"},
                                        {"traceparent", "00-1-2-01"},
                                        {"n", "1"}}));
}

TEST(MessageFormat, DebeziumTellsTheIdAlone) {
    auto row = order_placed();
    row.headers = R"({"traceparent": "00-1-2-01"})";
    const auto message = formatted(Format::debezium, row);
    EXPECT_EQ(message.value, row.value);
    EXPECT_EQ(message.headers, (Headers{{"id", id}}));
    row.value.reset();
    EXPECT_FALSE(formatted(Format::debezium, row).value.has_value());
}

TEST(MessageFormat, BinaryPutsAttributesIntoHeaders) {
    const auto message = formatted(Format::cloudevents_binary, order_placed());
    EXPECT_EQ(message.value, order_placed().value);
    EXPECT_EQ(message.headers, (Headers{{"ce_specversion", "1.0"},
                                        {"ce_id", id},
                                        {"ce_source", "/shop"},
                                        {"ce_type", "OrderPlaced"},
                                        {"ce_subject", "42"},
                                        {"ce_time", "2000-01-01T00:00:00.000000Z"},
                                        {"content-type", "application/json"}}));
}

TEST(MessageFormat, HeadersBecomeAttributesIfTheirNamesAreLegal) {
    auto row = order_placed();
    row.headers = R"({"traceparent": "00-1-2-01", "correlation-id": "7", "source": "forged",
                      "ce_id": "forged", "ce_mine": "x", "none": null})";
    auto headers = formatted(Format::cloudevents_binary, row).headers;
    EXPECT_EQ(headers.at("ce_traceparent"), "00-1-2-01");
    EXPECT_EQ(headers.at("traceparent"), "00-1-2-01");
    EXPECT_EQ(headers.at("correlation-id"), "7");
    EXPECT_FALSE(headers.contains("ce_correlation-id"));
    EXPECT_EQ(headers.at("ce_source"), "/shop");
    EXPECT_EQ(headers.at("ce_id"), id);
    EXPECT_EQ(headers.at("ce_mine"), "x");
    EXPECT_FALSE(headers.contains("ce_none"));

    const auto message = formatted(Format::cloudevents_structured, row);
    EXPECT_TRUE(message.value->contains(R"("source":"/shop")")) << *message.value;
    EXPECT_TRUE(message.value->contains(R"("traceparent":"00-1-2-01")")) << *message.value;
    EXPECT_FALSE(message.value->contains("correlation-id")) << *message.value;
    EXPECT_FALSE(message.value->contains("none")) << *message.value;
    EXPECT_EQ(message.headers.at("correlation-id"), "7");
    for (const auto* name : {"", "Type", "a-b", "a_b", "data_base64", "data", "time", "id", "ü"})
        EXPECT_FALSE(relay::is_extension(name)) << name;
    for (const auto* name : {"traceparent", "tracestate", "7", "dataschema"})
        EXPECT_TRUE(relay::is_extension(name)) << name;
}

TEST(MessageFormat, StructuredKeepsJsonAsItIs) {
    const auto message = formatted(Format::cloudevents_structured, order_placed());
    EXPECT_EQ(message.headers, (Headers{{"content-type", "application/cloudevents+json"}}));
    EXPECT_EQ(*message.value, std::string{R"({"specversion":"1.0","id":")"} + id +
                                  R"(","source":"/shop","type":"OrderPlaced","subject":"42",)"
                                  R"("time":"2000-01-01T00:00:00.000000Z",)"
                                  R"("datacontenttype":"application/json","data":{"a": 1e400}})");
}

TEST(MessageFormat, StructuredEscapesTextAndEncodesBytes) {
    auto row = order_placed();
    row.aggregate_id = "a\"b\\c\nd\x01 für 5 €";
    row.value = std::string_view{"\0\xff\"", 3};
    row.is_json = false;
    row.content_type = "application/octet-stream";
    const auto event = nlohmann::json::parse(*formatted(Format::cloudevents_structured, row).value);
    EXPECT_EQ(event.at("subject"), std::string{row.aggregate_id});
    EXPECT_EQ(event.at("data_base64"), "AP8i");
    EXPECT_EQ(event.at("datacontenttype"), "application/octet-stream");
    EXPECT_FALSE(event.contains("data"));
}

TEST(MessageFormat, ATombstoneIsNullAndBinary) {
    auto row = order_placed();
    row.value.reset();
    row.is_json = false;
    row.content_type = {};
    row.created_at.reset();
    for (const auto format : {Format::cloudevents_binary, Format::cloudevents_structured}) {
        const auto message = formatted(format, row);
        EXPECT_FALSE(message.value.has_value());
        EXPECT_EQ(message.headers, (Headers{{"ce_specversion", "1.0"},
                                            {"ce_id", id},
                                            {"ce_source", "/shop"},
                                            {"ce_type", "OrderPlaced"},
                                            {"ce_subject", "42"}}));
    }
}

TEST(MessageFormat, WritesTimesOfRfc3339) {
    EXPECT_EQ(relay::rfc3339(0), "2000-01-01T00:00:00.000000Z");
    EXPECT_EQ(relay::rfc3339(-1), "1999-12-31T23:59:59.999999Z");
    EXPECT_EQ(relay::rfc3339(709'214'462'003'004), "2022-06-22T12:01:02.003004Z");
}

TEST(MessageFormat, EncodesBase64) {  // RFC 4648, section 10
    const std::map<std::string, std::string> vectors{{"", ""},
                                                     {"f", "Zg=="},
                                                     {"fo", "Zm8="},
                                                     {"foo", "Zm9v"},
                                                     {"foob", "Zm9vYg=="},
                                                     {"fooba", "Zm9vYmE="},
                                                     {"foobar", "Zm9vYmFy"}};
    for (const auto& [bytes, text] : vectors) EXPECT_EQ(relay::base64(bytes), text);
}

TEST(MessageFormat, MakesASourceOfADatabase) {
    EXPECT_EQ(relay::source_of("shop_1"), "/postroom/shop_1");
    EXPECT_EQ(relay::source_of("my shop/ü"), "/postroom/my%20shop%2F%C3%BC");
}

}  // namespace
